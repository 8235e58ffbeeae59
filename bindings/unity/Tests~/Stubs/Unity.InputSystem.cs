// What the package uses of com.unity.inputsystem. Controls are set by path: InputStub.Values["<Keyboard>/w"] = 1.
using System;
using System.Collections.Generic;

namespace UnityEngine.InputSystem
{
    public static class InputStub
    {
        public static readonly Dictionary<string, float> Values = new Dictionary<string, float>();

        public static float Read(string path)
        {
            float value;
            return path != null && Values.TryGetValue(path, out value) ? value : 0;
        }
    }

    public enum InputActionType { Value, Button, PassThrough }

    [Serializable]
    public sealed class InputAction
    {
        readonly List<string> paths = new List<string>();
        readonly List<CompositeSyntax> composites = new List<CompositeSyntax>();

        public InputAction(string name = null, InputActionType type = InputActionType.Value, string binding = null)
        {
            this.name = name;
            if (binding != null) paths.Add(binding);
        }

        public string name { get; private set; }
        public bool enabled { get; private set; }
        public void Enable() { enabled = true; }
        public void Disable() { enabled = false; }
        internal void Add(string path) { paths.Add(path); }
        internal CompositeSyntax AddComposite() { var made = new CompositeSyntax(); composites.Add(made); return made; }

        public TValue ReadValue<TValue>() where TValue : struct
        {
            float value = 0;
            if (enabled)
            {
                foreach (string path in paths) value = Larger(value, InputStub.Read(path));
                foreach (CompositeSyntax each in composites) value = Larger(value, each.Value);
            }
            // No boxing: what is measured is the package's own garbage.
            return __refvalue(__makeref(value), TValue);
        }

        static float Larger(float a, float b) { return Math.Abs(b) > Math.Abs(a) ? b : a; }
    }

    public sealed class CompositeSyntax
    {
        readonly Dictionary<string, string> parts = new Dictionary<string, string>();
        public CompositeSyntax With(string part, string path) { parts[part] = path; return this; }
        internal float Value { get { return InputStub.Read(parts["Positive"]) - InputStub.Read(parts["Negative"]); } }
    }

    public static class InputActionSetupExtensions
    {
        public static void AddBinding(this InputAction action, string path) { action.Add(path); }
        public static CompositeSyntax AddCompositeBinding(this InputAction action, string composite) { return action.AddComposite(); }
    }

    namespace Controls
    {
        public sealed class KeyControl
        {
            internal string Path;
            public bool wasPressedThisFrame { get { return InputStub.Read(Path) > 0; } }
        }
    }

    public enum Key { Digit1 = 41, Digit2, Digit3, Digit4, Digit5, Digit6, Digit7, Digit8, Digit9, N = 28, H = 22, R = 32, F5 = 98, F9 = 102, Escape = 60 }

    public sealed class Keyboard
    {
        public static Keyboard current = new Keyboard();
        public Controls.KeyControl this[Key key] { get { return new Controls.KeyControl { Path = "<Keyboard>/" + key } ; } }
    }
}
