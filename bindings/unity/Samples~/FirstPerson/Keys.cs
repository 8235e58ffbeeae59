#if HELIOS_INPUT_SYSTEM && ENABLE_INPUT_SYSTEM
using UnityEngine.InputSystem;
#elif ENABLE_LEGACY_INPUT_MANAGER
using UnityEngine;
#endif

namespace HeliosWorld.Samples
{
    /// <summary>What the sample's own keys do; the world's controls have their table in the input component.</summary>
    enum SampleKey { Help, Quit, Save, Load, Rewind, NewSeed }

    /// <summary>Keys of whichever input system the project uses.</summary>
    static class Keys
    {
        const int Numbers = 9;

#if HELIOS_INPUT_SYSTEM && ENABLE_INPUT_SYSTEM
        static readonly Key[] keys = { Key.H, Key.Escape, Key.F5, Key.F9, Key.R, Key.N };

        public static bool WasPressed(SampleKey key) { return WasPressed(keys[(int)key]); }

        static bool WasNumberPressed(int number) { return WasPressed(Key.Digit1 + (number - 1)); }

        static bool WasPressed(Key key) { return Keyboard.current != null && Keyboard.current[key].wasPressedThisFrame; }
#elif ENABLE_LEGACY_INPUT_MANAGER
        static readonly KeyCode[] keys = { KeyCode.H, KeyCode.Escape, KeyCode.F5, KeyCode.F9, KeyCode.R, KeyCode.N };

        public static bool WasPressed(SampleKey key) { return Input.GetKeyDown(keys[(int)key]); }

        static bool WasNumberPressed(int number) { return Input.GetKeyDown(KeyCode.Alpha1 + (number - 1)); }
#else
        // Only on platforms without a keyboard does a project have neither.
        public static bool WasPressed(SampleKey key) { return false; }

        static bool WasNumberPressed(int number) { return false; }
#endif

        /// <summary>1 to 9, or 0 for none.</summary>
        public static int NumberPressed()
        {
            for (int number = 1; number <= Numbers; number++) if (WasNumberPressed(number)) return number;
            return 0;
        }
    }
}
