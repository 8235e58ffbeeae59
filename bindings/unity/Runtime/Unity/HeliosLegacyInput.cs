using System;
using System.Collections.Generic;
using UnityEngine;

namespace HeliosWorld
{
    /// <summary>Keys of the Input Manager (the "old" input), mapped to a world's controls by two tables.</summary>
    [AddComponentMenu("Helios/Helios Input (Input Manager)")]
    [DisallowMultipleComponent]
    public sealed class HeliosLegacyInput : MonoBehaviour, IHeliosInput
    {
        /// <summary>Keys that hold a button.</summary>
        [Serializable]
        public sealed class ButtonKeys
        {
            [Tooltip("The world's name of the button.")] public string button = "";
            [Tooltip("Holds it.")] public KeyCode key;
            [Tooltip("Holds it too; None for no second key.")] public KeyCode alternative;
        }

        /// <summary>Keys and an axis of the Input Manager that move an axis.</summary>
        [Serializable]
        public sealed class AxisKeys
        {
            [Tooltip("The world's name of the axis.")] public string axis = "";
            [Tooltip("Moves it down.")] public KeyCode negative;
            [Tooltip("Moves it up.")] public KeyCode positive;
            [Tooltip("What a held key gives: the value; for an axis that combines by sum, the amount per second.")] public float keyValue = 1;
            [Tooltip("An axis of the Input Manager, such as Mouse X; empty for none.")] public string inputAxis = "";
            [Tooltip("What that axis is multiplied by.")] public float scale = 1;
        }

        [Tooltip("Buttons that the world does not have are passed over.")]
        public List<ButtonKeys> buttons = new List<ButtonKeys>
        {
            Keys("forward", KeyCode.W, KeyCode.UpArrow),
            Keys("back", KeyCode.S, KeyCode.DownArrow),
            Keys("strafe_left", KeyCode.A, KeyCode.None),
            Keys("strafe_right", KeyCode.D, KeyCode.None),
            Keys("turn_left", KeyCode.LeftArrow, KeyCode.Q),
            Keys("turn_right", KeyCode.RightArrow, KeyCode.E),
            Keys("look_up", KeyCode.PageUp, KeyCode.None),
            Keys("look_down", KeyCode.PageDown, KeyCode.None),
            Keys("jump", KeyCode.Space, KeyCode.None),
            Keys("use", KeyCode.F, KeyCode.None),
            Keys("attack", KeyCode.Mouse0, KeyCode.None)
        };

        [Tooltip("Axes that the world does not have are passed over.")]
        public List<AxisKeys> axes = new List<AxisKeys>();

#if ENABLE_LEGACY_INPUT_MANAGER
        /// <inheritdoc/>
        public void Sample(WorldSpec world, HeliosAction action)
        {
            for (int i = 0; i < buttons.Count; i++)
                if (world.HasButton(buttons[i].button) && (IsHeld(buttons[i].key) || IsHeld(buttons[i].alternative)))
                    action.Hold(buttons[i].button);
            for (int i = 0; i < axes.Count; i++)
            {
                AxisSpec axis = world.FindAxis(axes[i].axis);
                if (axis != null) action.Set(axis.Name, action.Axis(axis.Name) + ValueOf(axes[i], axis.IsSum));
            }
        }

        // A key that goes down and up within one frame was held all the same.
        static bool IsHeld(KeyCode key) { return key != KeyCode.None && (Input.GetKey(key) || Input.GetKeyDown(key)); }

        static double ValueOf(AxisKeys keys, bool isSum)
        {
            double value = (IsHeld(keys.positive) ? keys.keyValue : 0) - (IsHeld(keys.negative) ? keys.keyValue : 0);
            if (isSum) value *= Time.unscaledDeltaTime;
            if (!string.IsNullOrEmpty(keys.inputAxis)) value += Input.GetAxis(keys.inputAxis) * keys.scale;
            return value;
        }
#else
        void OnEnable()
        {
            Debug.LogWarning("Helios: the Input Manager is off in this project (Player Settings, Active Input Handling); use Helios"
                + " Input (Input System) in place of this component", this);
        }

        /// <inheritdoc/>
        public void Sample(WorldSpec world, HeliosAction action) { }
#endif

        static ButtonKeys Keys(string button, KeyCode key, KeyCode alternative)
        {
            return new ButtonKeys { button = button, key = key, alternative = alternative };
        }
    }
}
