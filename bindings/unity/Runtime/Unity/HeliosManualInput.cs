using UnityEngine;

namespace HeliosWorld
{
    /// <summary>
    /// Input by calls: of buttons on a touch screen (an EventTrigger calls Press and Release), of a script, of an agent. Names
    /// that the world does not have are passed over.
    /// </summary>
    [AddComponentMenu("Helios/Helios Input (Manual)")]
    [DisallowMultipleComponent]
    public sealed class HeliosManualInput : MonoBehaviour, IHeliosInput
    {
        readonly HeliosAction held = new HeliosAction();
        readonly HeliosAction kept = new HeliosAction();
        readonly HeliosAction tapped = new HeliosAction();

        /// <summary>Hold a button from now on. A tap between two frames counts too.</summary>
        public void Press(string button)
        {
            held.Hold(button);
            tapped.Hold(button);
        }

        /// <summary>Let go of a button.</summary>
        public void Release(string button)
        {
            kept.Clear();
            for (int i = 0; i < held.ButtonCount; i++) if (held.Button(i) != button) kept.Hold(held.Button(i));
            for (int i = 0; i < held.AxisCount; i++) kept.Set(held.AxisName(i), held.AxisValue(i));
            held.CopyFrom(kept);
        }

        /// <summary>Set an axis that combines by latest; add to one that combines by sum.</summary>
        public void Move(string axis, double value) { held.Set(axis, value); }

        /// <summary>Let go of everything.</summary>
        public void ReleaseAll()
        {
            held.Clear();
            tapped.Clear();
        }

        /// <inheritdoc/>
        public void Sample(WorldSpec world, HeliosAction action)
        {
            Hold(held, world, action);
            Hold(tapped, world, action);
            tapped.Clear();
            for (int i = 0; i < held.AxisCount; i++) Move(i, world, action);
        }

        static void Hold(HeliosAction from, WorldSpec world, HeliosAction to)
        {
            for (int i = 0; i < from.ButtonCount; i++) if (world.HasButton(from.Button(i))) to.Hold(from.Button(i));
        }

        // An amount counts once, a value until there is another one.
        void Move(int index, WorldSpec world, HeliosAction to)
        {
            AxisSpec axis = world.FindAxis(held.AxisName(index));
            if (axis == null) return;
            to.Set(axis.Name, held.AxisValue(index));
            if (axis.IsSum) held.Set(axis.Name, 0);
        }
    }
}
