#if HELIOS_UGUI
using UnityEditor;
using UnityEngine;

namespace HeliosWorld
{
    /// <summary>GameObject > Helios.</summary>
    public static class HeliosMenu
    {
        [MenuItem("GameObject/Helios/World with Screen", false, 10)]
        static void CreateFromMenu(MenuCommand command)
        {
            HeliosWorldBehaviour world = Create();
            GameObjectUtility.SetParentAndAlign(world.gameObject, command.context as GameObject);
            Undo.RegisterCreatedObjectUndo(world.gameObject, "Create Helios World");
            Selection.activeGameObject = world.gameObject;
        }

        /// <summary>A world with input and a screen that fills the window; no camera is needed.</summary>
        public static HeliosWorldBehaviour Create()
        {
            var owner = new GameObject("Helios World");
            HeliosWorldBehaviour world = owner.AddComponent<HeliosWorldBehaviour>();
            AddInput(owner);
            HeliosScreen.FillWindow(world);
            return world;
        }

        static void AddInput(GameObject owner)
        {
#if HELIOS_INPUT_SYSTEM && ENABLE_INPUT_SYSTEM
            owner.AddComponent<HeliosInputSystemInput>();
#else
            owner.AddComponent<HeliosLegacyInput>();
#endif
        }
    }
}
#endif
