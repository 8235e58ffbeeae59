using System.Diagnostics;

namespace HeliosWorld
{
    /// <summary>Who decides when a chunk is made.</summary>
    public enum HeliosMode
    {
        /// <summary>Each step makes one chunk.</summary>
        Lockstep,

        /// <summary>The server makes chunks by itself, as fast as they are shown.</summary>
        Stream
    }

    /// <summary>How frames travel.</summary>
    public enum HeliosEncoding
    {
        /// <summary>Exact bytes, R G B.</summary>
        Rgb24,

        /// <summary>One JPEG file per frame, for slow links.</summary>
        Jpeg
    }

    /// <summary>How to reach a server. Times are in seconds.</summary>
    public sealed class HeliosClientOptions
    {
        /// <summary>"tcp://host:port" or "host:port"; IPv6 hosts stand in brackets.</summary>
        public string Address = "tcp://127.0.0.1:5555";

        /// <summary>Name and version for the server's log, at most 256 characters.</summary>
        public string Name = "helios-world-csharp/0.1";

        /// <summary>That any request takes at most.</summary>
        public double TimeoutSeconds = 30;

        /// <summary>After which a request without an answer is repeated; the server does it once all the same.</summary>
        public double RepeatSeconds = 5;

        /// <summary>That a server may take to say that it speaks ZMTP.</summary>
        public double HandshakeSeconds = 10;
    }

    /// <summary>What to ask for when a session is opened.</summary>
    public sealed class HeliosOpenOptions
    {
        /// <summary>One of the server's worlds; null is its default one.</summary>
        public string World;

        /// <summary>Who decides when a chunk is made.</summary>
        public HeliosMode Mode;

        /// <summary>How frames travel.</summary>
        public HeliosEncoding Encoding;

        /// <summary>Of JPEG, 1 to 100.</summary>
        public int Quality = 90;

        /// <summary>Frames are sent while others of their chunk are still being encoded.</summary>
        public bool Progressive;

        /// <summary>The server records the session from the first chunk on.</summary>
        public bool Record;
    }

    /// <summary>The names of modes and encodings in the protocol.</summary>
    public static class HeliosNames
    {
        /// <summary>"lockstep" or "stream"; a usage error for anything else.</summary>
        public static HeliosMode ParseMode(string name)
        {
            if (name == "lockstep") return HeliosMode.Lockstep;
            if (name == "stream") return HeliosMode.Stream;
            throw HeliosException.Usage("unknown mode '" + name + "'; use lockstep or stream");
        }

        /// <summary>"rgb24" or "jpeg"; a usage error for anything else.</summary>
        public static HeliosEncoding ParseEncoding(string name)
        {
            if (name == "rgb24") return HeliosEncoding.Rgb24;
            if (name == "jpeg") return HeliosEncoding.Jpeg;
            string why = name == "h264" ? "this client does not decode h264" : "unknown encoding '" + name + "'";
            throw HeliosException.Usage(why + "; use rgb24, or jpeg on slow links");
        }

        /// <summary>The mode's name.</summary>
        public static string Of(HeliosMode mode)
        {
            return mode == HeliosMode.Stream ? "stream" : "lockstep";
        }

        /// <summary>The encoding's name.</summary>
        public static string Of(HeliosEncoding encoding)
        {
            return encoding == HeliosEncoding.Jpeg ? "jpeg" : "rgb24";
        }
    }

    /// <summary>Monotonic time.</summary>
    public static class HeliosClock
    {
        private static readonly double SecondsPerTick = 1.0 / Stopwatch.Frequency;

        /// <summary>Seconds since some moment; only differences mean something.</summary>
        public static double Now
        {
            get { return Stopwatch.GetTimestamp() * SecondsPerTick; }
        }
    }
}
