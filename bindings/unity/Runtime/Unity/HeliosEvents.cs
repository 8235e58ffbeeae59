using System;
using UnityEngine;
using UnityEngine.Events;

namespace HeliosWorld
{
    // Unity serialises generic events only from 2020.1 on, hence the named types.

    /// <summary>An event with a text.</summary>
    [Serializable]
    public sealed class HeliosTextEvent : UnityEvent<string> { }

    /// <summary>An event with the texture that shows the world.</summary>
    [Serializable]
    public sealed class HeliosTextureEvent : UnityEvent<Texture> { }

    /// <summary>What became of a world's session.</summary>
    public enum HeliosWorldState
    {
        /// <summary>There is no session, and none is being opened.</summary>
        Closed,

        /// <summary>A server is being looked for, or has been asked for a session.</summary>
        Connecting,

        /// <summary>The session can be used.</summary>
        Open,

        /// <summary>The connection was lost; the session is taken up again as soon as there is one.</summary>
        Resuming
    }

    /// <summary>Figures of a world that is open; a copy, taken when it was asked for.</summary>
    public struct HeliosWorldStatistics
    {
        /// <summary>From the newest answered request, or PING, to its answer, in milliseconds.</summary>
        public double RoundTripMs;

        /// <summary>Stream mode: from a change of the input to the first frame that shows it, in milliseconds; NaN: none yet.</summary>
        public double InputToFrameMs;

        /// <summary>Stream mode: how often the next chunk was late, counted once per wait.</summary>
        public int Underruns;

        /// <summary>Frames that were put on the texture.</summary>
        public long FramesShown;

        /// <summary>Frames that could not be decoded, or were of another size than their chunk says.</summary>
        public long FramesRefused;

        /// <summary>Stream mode: chunks that were made and never came, as after a broken connection.</summary>
        public long MissingChunks;

        /// <summary>Messages of the server that could not be read.</summary>
        public long DroppedMessages;

        /// <summary>How often the session was taken up again.</summary>
        public long Resumes;

        /// <summary>Bytes that came from the server.</summary>
        public long BytesReceived;
    }
}
