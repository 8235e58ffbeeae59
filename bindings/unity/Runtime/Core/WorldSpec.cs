using System;

namespace HeliosWorld
{
    /// <summary>A button of a world.</summary>
    public sealed class ButtonSpec
    {
        /// <summary>Its name in actions.</summary>
        public string Name { get; internal set; }

        /// <summary>What it does, with units.</summary>
        public string Meaning { get; internal set; }
    }

    /// <summary>An axis of a world.</summary>
    public sealed class AxisSpec
    {
        /// <summary>Its name in actions.</summary>
        public string Name { get; internal set; }

        /// <summary>What it does.</summary>
        public string Meaning { get; internal set; }

        /// <summary>Of its values.</summary>
        public string Unit { get; internal set; }

        /// <summary>The lowest value.</summary>
        public double Low { get; internal set; }

        /// <summary>The highest value.</summary>
        public double High { get; internal set; }

        /// <summary>Amounts within one chunk are added; otherwise the newest value counts.</summary>
        public bool IsSum { get; internal set; }

        /// <summary>The nearest value that the axis can have.</summary>
        public double Clip(double value)
        {
            return Math.Min(Math.Max(value, Low), High);
        }
    }

    /// <summary>What a client must know of a world.</summary>
    public sealed class WorldSpec
    {
        /// <summary>The world's name.</summary>
        public string Name { get; internal set; }

        /// <summary>Equal fingerprints give equal frames on one machine.</summary>
        public string Fingerprint { get; internal set; }

        /// <summary>"trained", or "prompt" when controls are turned into words.</summary>
        public string Steering { get; internal set; }

        /// <summary>How the weights of a new prompt grow: "early" or "late".</summary>
        public string Fade { get; internal set; }

        /// <summary>Frames per second at which to show it.</summary>
        public int Fps { get; internal set; }

        /// <summary>Of a frame, in pixels.</summary>
        public int Height { get; internal set; }

        /// <summary>Of a frame, in pixels.</summary>
        public int Width { get; internal set; }

        /// <summary>Frames that a step makes.</summary>
        public int FramesPerChunk { get; internal set; }

        /// <summary>Chunks over which a new prompt fades in.</summary>
        public long Blend { get; internal set; }

        /// <summary>What can be held; at most 64.</summary>
        public ButtonSpec[] Buttons { get; internal set; }

        /// <summary>What can be moved; at most 64.</summary>
        public AxisSpec[] Axes { get; internal set; }

        /// <summary>Example prompts.</summary>
        public string[] Prompts { get; internal set; }

        /// <summary>What the world can begin from: "prompt", "image", "video".</summary>
        public string[] Starts { get; internal set; }

        /// <summary>Whether the world has this button.</summary>
        public bool HasButton(string name)
        {
            return ButtonIndex(name) >= 0;
        }

        /// <summary>The axis of that name; null if the world has none.</summary>
        public AxisSpec FindAxis(string name)
        {
            int index = AxisIndex(name);
            return index < 0 ? null : Axes[index];
        }

        internal int ButtonIndex(string name)
        {
            for (int i = 0; i < Buttons.Length; i++)
            {
                if (Buttons[i].Name == name) return i;
            }
            return -1;
        }

        internal int AxisIndex(string name)
        {
            for (int i = 0; i < Axes.Length; i++)
            {
                if (Axes[i].Name == name) return i;
            }
            return -1;
        }

        internal string ButtonNames()
        {
            return string.Join(", ", Array.ConvertAll(Buttons, button => button.Name));
        }

        internal string AxisNames()
        {
            return string.Join(", ", Array.ConvertAll(Axes, axis => axis.Name));
        }
    }

    /// <summary>What a server says of itself.</summary>
    public sealed class HeliosServerInfo
    {
        /// <summary>Name and version.</summary>
        public string Server { get; internal set; }

        /// <summary>Major version of the protocol in use.</summary>
        public int Version { get; internal set; }

        /// <summary>That can be opened; the first is the default.</summary>
        public string[] Worlds { get; internal set; }

        /// <summary>Such as "jpeg", "stream", "fork", "record".</summary>
        public string[] Capabilities { get; internal set; }

        /// <summary>Bytes that one message to the server may have.</summary>
        public long MaxMessage { get; internal set; }

        /// <summary>Seconds of silence after which a sign of life is due.</summary>
        public double HeartbeatSeconds { get; internal set; }

        /// <summary>The default world.</summary>
        public WorldSpec World { get; internal set; }

        /// <summary>Whether the server has this capability.</summary>
        public bool Can(string capability)
        {
            return Array.IndexOf(Capabilities, capability) >= 0;
        }
    }
}
