using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.InputSystem;

namespace HeliosWorld
{
    /// <summary>Actions of the Input System package, mapped to a world's controls by two tables.</summary>
    [AddComponentMenu("Helios/Helios Input (Input System)")]
    [DisallowMultipleComponent]
    public sealed class HeliosInputSystemInput : MonoBehaviour, IHeliosInput
    {
        // Half pressed is held, as with the package's own buttons.
        const float PressPoint = 0.5f;

        /// <summary>An action that holds a button.</summary>
        [Serializable]
        public sealed class ButtonAction
        {
            [Tooltip("The world's name of the button.")] public string button = "";
            [Tooltip("Holds it.")] public InputAction action;
        }

        /// <summary>An action that moves an axis.</summary>
        [Serializable]
        public sealed class AxisAction
        {
            [Tooltip("The world's name of the axis.")] public string axis = "";
            [Tooltip("Moves it; an action with a single number.")] public InputAction action;
            [Tooltip("What the action's value is multiplied by.")] public float scale = 1;
            [Tooltip("The value is a speed, as of a stick: for an axis that combines by sum it counts per second.")] public bool isSpeed = true;
        }

        [Tooltip("Buttons that the world does not have are passed over.")]
        public List<ButtonAction> buttons = new List<ButtonAction>
        {
            Keys("forward", "<Keyboard>/w", "<Keyboard>/upArrow", "<Gamepad>/leftStick/up"),
            Keys("back", "<Keyboard>/s", "<Keyboard>/downArrow", "<Gamepad>/leftStick/down"),
            Keys("strafe_left", "<Keyboard>/a", "<Gamepad>/leftStick/left"),
            Keys("strafe_right", "<Keyboard>/d", "<Gamepad>/leftStick/right"),
            Keys("turn_left", "<Keyboard>/leftArrow", "<Keyboard>/q"),
            Keys("turn_right", "<Keyboard>/rightArrow", "<Keyboard>/e"),
            Keys("look_up", "<Keyboard>/pageUp", "<Gamepad>/rightStick/up"),
            Keys("look_down", "<Keyboard>/pageDown", "<Gamepad>/rightStick/down"),
            Keys("jump", "<Keyboard>/space", "<Gamepad>/buttonSouth"),
            Keys("use", "<Keyboard>/f", "<Gamepad>/buttonWest"),
            Keys("attack", "<Mouse>/leftButton", "<Gamepad>/rightTrigger")
        };

        [Tooltip("Axes that the world does not have are passed over.")]
        public List<AxisAction> axes = new List<AxisAction>
        {
            new AxisAction { axis = "turn", action = new InputAction("turn", InputActionType.Value, "<Gamepad>/rightStick/x") }
        };

        /// <inheritdoc/>
        public void Sample(WorldSpec world, HeliosAction action)
        {
            for (int i = 0; i < buttons.Count; i++)
                if (world.HasButton(buttons[i].button) && IsHeld(buttons[i].action)) action.Hold(buttons[i].button);
            for (int i = 0; i < axes.Count; i++)
            {
                AxisSpec axis = world.FindAxis(axes[i].axis);
                if (axis != null) action.Set(axis.Name, action.Axis(axis.Name) + ValueOf(axes[i], axis.IsSum));
            }
        }

        void OnEnable() { Switch(true); }

        void OnDisable() { Switch(false); }

        void Switch(bool on)
        {
            foreach (ButtonAction each in buttons) Switch(each.action, on);
            foreach (AxisAction each in axes) Switch(each.action, on);
        }

        static void Switch(InputAction action, bool on)
        {
            if (action == null) return;
            if (on) action.Enable();
            else action.Disable();
        }

        static bool IsHeld(InputAction action) { return action != null && action.ReadValue<float>() >= PressPoint; }

        static double ValueOf(AxisAction axis, bool isSum)
        {
            double value = axis.action == null ? 0 : axis.action.ReadValue<float>() * axis.scale;
            return isSum && axis.isSpeed ? value * Time.unscaledDeltaTime : value;
        }

        static ButtonAction Keys(string button, params string[] paths)
        {
            var action = new InputAction(button, InputActionType.Button);
            foreach (string path in paths) action.AddBinding(path);
            return new ButtonAction { button = button, action = action };
        }
    }
}
