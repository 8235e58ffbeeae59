namespace HeliosWorld
{
    /// <summary>Shows the chunks of a lockstep session at the world's pace. Owns them until they have been shown.</summary>
    sealed class LockstepPlayer
    {
        // One being shown and one ahead; a game that steps faster than it shows sees the newest.
        const int MostWaiting = 1;
        Playback<HeliosChunk> playback;
        int shownNumber;

        /// <summary>Chunks that have not begun to be shown.</summary>
        public int Waiting { get { return playback == null ? 0 : playback.Waiting; } }

        public void Begin(int fps)
        {
            Clear();
            playback = new Playback<HeliosChunk>(fps);
        }

        public void Add(HeliosChunk chunk, double now)
        {
            if (playback.Waiting >= MostWaiting) Cut();
            playback.Push(chunk, chunk.Frames, now);
        }

        /// <summary>True if the frame that is to be shown now is another one than before.</summary>
        public bool Poll(double now, out HeliosFrame frame)
        {
            HeliosChunk chunk;
            int number;
            bool begins;
            bool isAny = playback.Poll(now, out chunk, out number, out begins);
            bool isNew = isAny && (begins || number != shownNumber);
            shownNumber = number;
            frame = new HeliosFrame { Chunk = chunk, Number = number };
            DisposeFinished();
            return isNew;
        }

        /// <summary>What was made is of the past: the next chunk begins at once.</summary>
        public void Cut()
        {
            playback.Cut();
            DisposeFinished();
        }

        public void Clear()
        {
            if (playback == null) return;
            playback.Clear();
            DisposeFinished();
            playback = null;
        }

        void DisposeFinished()
        {
            for (HeliosChunk over = playback.TakeFinished(); over != null; over = playback.TakeFinished()) over.Dispose();
        }
    }
}
