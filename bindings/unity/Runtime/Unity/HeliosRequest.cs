using System;
using UnityEngine;

namespace HeliosWorld
{
    /// <summary>
    /// Something that was asked of a world. Yield it in a coroutine, look at <see cref="IsDone"/>, or use
    /// <see cref="Then"/>. It ends on the main thread.
    /// </summary>
    public sealed class HeliosRequest : CustomYieldInstruction
    {
        internal enum Kind { Open, Reset, Step, Prompt, Snapshot, Restore, Fork, Record }

        internal readonly Kind What;
        internal long Seed;
        internal string Prompt;
        internal HeliosAction Action;
        internal bool On;
        internal HeliosWorldBehaviour Into;
        Action<HeliosRequest> done;

        internal HeliosRequest(Kind what) { What = what; }

        /// <summary>Whether the answer has come, or never will.</summary>
        public bool IsDone { get; private set; }

        /// <summary>Why it failed; null while it is under way, and when it worked.</summary>
        public HeliosException Error { get; private set; }

        /// <summary>The snapshot that was asked for, or that is being restored; otherwise null.</summary>
        public byte[] Bytes { get; internal set; }

        /// <summary>Of Record: the video's path on the server, or null.</summary>
        public string Path { get; internal set; }

        /// <summary>Whether the answer has come and is no error.</summary>
        public bool Succeeded { get { return IsDone && Error == null; } }

        /// <summary>For coroutines.</summary>
        public override bool keepWaiting { get { return !IsDone; } }

        /// <summary>Call <paramref name="action"/> when it is done, at once if it is.</summary>
        public HeliosRequest Then(Action<HeliosRequest> action)
        {
            if (IsDone) action(this);
            else done += action;
            return this;
        }

        internal void End(HeliosException error)
        {
            if (IsDone) return;
            IsDone = true;
            Error = error;
            Action<HeliosRequest> listeners = done;
            done = null;
            if (listeners != null) listeners(this);
        }
    }
}
