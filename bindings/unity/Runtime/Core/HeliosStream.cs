using System;

namespace HeliosWorld
{
    /// <summary>A frame to show. The stream owns the chunk: use it before the next Update, and do not dispose it.</summary>
    public struct HeliosFrame
    {
        /// <summary>That the frame belongs to.</summary>
        public HeliosChunk Chunk;

        /// <summary>Of the frame in it.</summary>
        public int Number;
    }

    /// <summary>
    /// A session in stream mode: sends input, allows chunks, and shows them on the world's clock. Used by one thread,
    /// which calls Update every frame; after a Reset.
    /// </summary>
    public sealed class HeliosStream
    {
        // One chunk waits while the next is being made: 1 credit after RESET, and 1 whenever a chunk begins to be shown.
        private const int Ahead = 2;
        private const double AfterFailureSeconds = 1;
        // A server drops what comes more often than it likes (200 per second), and games run at any rate.
        private const double InputSeconds = 1.0 / 60;

        private readonly HeliosSession session;
        private readonly Playback<HeliosChunk> playback;
        private long epoch, attachments, nextIndex = -1, damaged;
        // Of each credit that is on its way: the newest INPUT when it was given.
        private readonly long[] askedWith = new long[Ahead];
        private int granted;
        private double grantedAt, notBefore, inputAt = double.NegativeInfinity;
        private HeliosChunk shown;
        private int shownFrame = -1;
        private int failures;

        internal HeliosStream(HeliosSession session)
        {
            this.session = session;
            playback = new Playback<HeliosChunk>(session.World.Fps);
            Inputs = new HeliosInputs(session.World);
            InputToFrameMs = InputMs = double.NaN;
        }

        /// <summary>What is held and moved now.</summary>
        public HeliosInputs Inputs { get; private set; }

        /// <summary>Frames that Update has given.</summary>
        public long FramesShown { get; private set; }

        /// <summary>Chunks that were shown, at least in part.</summary>
        public long ChunksShown { get; private set; }

        /// <summary>Chunks that the server made and that never came, as after a broken connection.</summary>
        public long MissingChunks { get; private set; }

        /// <summary>Chunks that came late.</summary>
        public int Underruns
        {
            get { return playback.Underruns; }
        }

        /// <summary>Milliseconds from a change of input to the first frame that shows it, of the newest one; NaN: none yet.</summary>
        public double InputToFrameMs { get; private set; }

        /// <summary>The part of it at the server, up to the sending of the chunk; NaN: none yet.</summary>
        public double InputMs { get; private set; }

        /// <summary>The number of the newest input that a shown chunk has had; 0: none.</summary>
        public long Applied { get; private set; }

        /// <summary>
        /// Send what changed, allow the next chunk, and advance the clock. Never waits.
        /// </summary>
        /// <param name="now">HeliosClock.Now, or any other clock in seconds that runs as fast; always the same one.</param>
        /// <param name="frame">what to show.</param>
        /// <returns>true if the frame was not returned before; false: keep what is on screen.</returns>
        public bool Update(double now, out HeliosFrame frame)
        {
            bool isNew;
            lock (session.Client.Gate)
            {
                NoticeJumps();
                TakeArrived(now);
                isNew = Show(now, out frame);
                if (session.CanStream) Talk(now);
            }
            Release();
            return isNew;
        }

        /// <summary>Let the clock stand still; nothing is asked for meanwhile.</summary>
        public void Pause(double now)
        {
            playback.Pause(now);
        }

        /// <summary>Let the clock go on.</summary>
        public void Resume(double now)
        {
            playback.Resume(now);
        }

        /// <summary>Give all memory back; frames that were given must not be used any more.</summary>
        public void Clear()
        {
            playback.Clear();
            shown = null;
            Release();
        }

        /// <summary>A chunk could not be made; its credit is used up. Under the gate.</summary>
        internal void OnFailed()
        {
            failures++;
        }

        private void NoticeJumps()
        {
            if (session.Attachments != attachments)
            {
                if (attachments > 0) Inputs.Repeat();
                attachments = session.Attachments;
                granted = failures = 0;
                if (session.Index < nextIndex) GoBack();
            }
            if (session.Epoch == epoch) return;
            epoch = session.Epoch;
            granted = 0;
            nextIndex = -1;
            playback.Cut();
            Inputs.Renew();
        }

        // The server continues before what was shown: that is not to be taken for what was here before.
        private void GoBack()
        {
            nextIndex = session.Index;
            playback.Cut();
        }

        private void TakeArrived(double now)
        {
            for (; damaged < session.Damaged; damaged++) UseCredit();
            while (playback.HasRoom)
            {
                HeliosChunk chunk = session.TakeArrived();
                if (chunk == null) return;
                if (chunk.Epoch != epoch || chunk.Index < nextIndex) chunk.Dispose();
                else Push(chunk, now);
            }
        }

        private void Push(HeliosChunk chunk, double now)
        {
            if (nextIndex >= 0) MissingChunks += chunk.Index - nextIndex;
            long expected = chunk.Index > 0 ? UseCredit() : 0; // chunk 0 is that of the reset
            nextIndex = chunk.Index + 1;
            chunk.ChangedAt = Inputs.Seen(chunk.Applied);
            // What was sent before the chunk was asked for has not arrived.
            if (chunk.Applied < expected) Inputs.Repeat();
            playback.Push(chunk, chunk.Frames, now - (HeliosClock.Now - chunk.ArrivedAt));
        }

        private bool Show(double now, out HeliosFrame frame)
        {
            HeliosChunk chunk;
            int number;
            bool begins;
            frame = default(HeliosFrame);
            if (!playback.Poll(now, out chunk, out number, out begins)) return false;
            frame.Chunk = chunk;
            frame.Number = number;
            bool isNew = chunk != shown || number != shownFrame || begins;
            shown = chunk;
            shownFrame = number;
            if (begins) Begin(chunk, now);
            if (isNew) FramesShown++;
            return isNew;
        }

        private void Begin(HeliosChunk chunk, double now)
        {
            ChunksShown++;
            Applied = Math.Max(Applied, chunk.Applied);
            if (double.IsNaN(chunk.ChangedAt)) return;
            InputToFrameMs = 1000 * (now - chunk.ChangedAt);
            InputMs = chunk.InputMs;
        }

        private void Talk(double now)
        {
            if (failures > 0) notBefore = now + AfterFailureSeconds;
            for (; failures > 0; failures--) UseCredit();
            Inputs.Stamp(now);
            if (IsInVain()) granted = 0;
            int missing = Ahead - granted - playback.Waiting;
            bool isAsking = missing >= 1 && !playback.IsPaused && now >= notBefore;
            if (Inputs.IsNews && (isAsking || now >= inputAt + InputSeconds)) SendInput(now);
            if (!isAsking) return;
            while (granted < Ahead - playback.Waiting) askedWith[granted++] = Inputs.N;
            grantedAt = HeliosClock.Now;
            session.SendCredit(missing);
        }

        private void SendInput(double now)
        {
            session.SendInput(Inputs, now);
            inputAt = now;
        }

        private long UseCredit()
        {
            if (granted == 0) return 0;
            long oldest = askedWith[0];
            Array.Copy(askedWith, 1, askedWith, 0, --granted);
            return oldest;
        }

        // A server drops what exceeds its rate of messages: the chunk will not come if the server has nothing to do.
        private bool IsInVain()
        {
            double repeat = session.Client.Options.RepeatSeconds;
            return granted > 0 && HeliosClock.Now - grantedAt > repeat && session.Client.IdleAt > grantedAt;
        }

        private void Release()
        {
            for (HeliosChunk over = playback.TakeFinished(); over != null; over = playback.TakeFinished()) over.Dispose();
        }
    }
}
