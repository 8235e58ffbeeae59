using System;

namespace HeliosWorld
{
    /// <summary>What is held during a chunk: buttons and axes by name. Reusable; allocates only while it grows.</summary>
    public sealed class HeliosAction
    {
        internal const int Most = 64;

        private string[] buttons = new string[8];
        private string[] axes = new string[4];
        private double[] values = new double[4];

        /// <summary>How many buttons are held.</summary>
        public int ButtonCount { get; private set; }

        /// <summary>How many axes have a value.</summary>
        public int AxisCount { get; private set; }

        /// <summary>Let go of everything.</summary>
        public HeliosAction Clear()
        {
            ButtonCount = 0;
            AxisCount = 0;
            return this;
        }

        /// <summary>Hold a button. Holding it twice changes nothing.</summary>
        public HeliosAction Hold(string button)
        {
            if (!Holds(button)) AddButton(button);
            return this;
        }

        /// <summary>Give an axis a value, in the axis's unit.</summary>
        public HeliosAction Set(string axis, double value)
        {
            if (double.IsNaN(value) || double.IsInfinity(value))
                throw HeliosException.Usage("axis '" + axis + "' is " + value + "; it needs a finite number");
            int index = IndexOfAxis(axis);
            if (index >= 0) values[index] = value;
            else AddAxis(axis, value);
            return this;
        }

        /// <summary>The name of held button number <paramref name="i"/>.</summary>
        public string Button(int i)
        {
            if (i < 0 || i >= ButtonCount) throw new ArgumentOutOfRangeException("i");
            return buttons[i];
        }

        /// <summary>The name of axis number <paramref name="i"/>.</summary>
        public string AxisName(int i)
        {
            if (i < 0 || i >= AxisCount) throw new ArgumentOutOfRangeException("i");
            return axes[i];
        }

        /// <summary>The value of axis number <paramref name="i"/>.</summary>
        public double AxisValue(int i)
        {
            if (i < 0 || i >= AxisCount) throw new ArgumentOutOfRangeException("i");
            return values[i];
        }

        /// <summary>Whether the button is held.</summary>
        public bool Holds(string button)
        {
            return Array.IndexOf(buttons, button, 0, ButtonCount) >= 0;
        }

        /// <summary>The value of an axis; 0 for one that has none.</summary>
        public double Axis(string name)
        {
            int index = IndexOfAxis(name);
            return index < 0 ? 0 : values[index];
        }

        /// <summary>Become equal to another action.</summary>
        public void CopyFrom(HeliosAction other)
        {
            Clear();
            for (int i = 0; i < other.ButtonCount; i++) AddButton(other.buttons[i]);
            for (int i = 0; i < other.AxisCount; i++) AddAxis(other.axes[i], other.values[i]);
        }

        // Names from the wire come in any order, and it is not this class that forbids doubles there.
        internal void AddButton(string name)
        {
            CheckName(name, ButtonCount);
            if (ButtonCount == buttons.Length) Array.Resize(ref buttons, 2 * ButtonCount);
            buttons[ButtonCount++] = name;
        }

        internal void AddAxis(string name, double value)
        {
            CheckName(name, AxisCount);
            if (AxisCount == axes.Length)
            {
                Array.Resize(ref axes, 2 * AxisCount);
                Array.Resize(ref values, 2 * AxisCount);
            }
            axes[AxisCount] = name;
            values[AxisCount++] = value;
        }

        private int IndexOfAxis(string name)
        {
            return Array.IndexOf(axes, name, 0, AxisCount);
        }

        private static void CheckName(string name, int count)
        {
            if (string.IsNullOrEmpty(name) || name.Length > 2 * Most)
                throw HeliosException.Usage("'" + name + "' is no name of a button or an axis: 1 to 64 characters");
            if (count == Most) throw HeliosException.Usage("an action has at most 64 buttons and 64 axes");
        }
    }
}
