using UnityEditor;
using UnityEngine;

namespace HeliosWorld
{
    /// <summary>
    /// Before code is reloaded in play mode, threads of the old code have to be over. OnDisable, which Unity calls
    /// afterwards, does not wait; this does. OnEnable then opens the worlds anew.
    /// </summary>
    [InitializeOnLoad]
    static class HeliosReloadGuard
    {
        const int PatienceMs = 1000;

        static HeliosReloadGuard() { AssemblyReloadEvents.beforeAssemblyReload += CloseAll; }

        static void CloseAll()
        {
            foreach (HeliosWorldBehaviour world in Resources.FindObjectsOfTypeAll<HeliosWorldBehaviour>())
                if (!world.CloseAndWait(PatienceMs)) Debug.LogWarning("Helios: a thread is still ending while code is reloaded", world);
        }
    }
}
