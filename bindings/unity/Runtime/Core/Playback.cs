using System;

namespace HeliosWorld
{
    /// <summary>
    /// Shows the frames of items (chunks) one after the other on an absolute clock: frame k is due at start + k / fps. An
    /// item that comes late moves everything after it and counts as one underrun; nothing is shown faster to catch up.
    /// Takes the time as an argument, in seconds of any clock. One thread; no allocation.
    /// </summary>
    public sealed class Playback<T> where T : class
    {
        private const int Capacity = 16;
        private const double Rounding = 1e-6;

        private struct Slot
        {
            public T Item;
            public int Frames;
            public double Start, End;
        }

        private readonly Slot[] waiting = new Slot[Capacity];
        private readonly T[] finished = new T[2 * Capacity];
        private Slot present;
        private int first, count, finishedCount;
        private bool isCut;
        private double pausedAt = double.NaN, lost;

        /// <summary>A clock for so many frames per second.</summary>
        public Playback(double fps)
        {
            if (!(fps > 0)) throw HeliosException.Usage("fps is " + fps + "; it must be above 0");
            Fps = fps;
        }

        /// <summary>Frames per second.</summary>
        public double Fps { get; private set; }

        /// <summary>Items that wait to be shown.</summary>
        public int Waiting
        {
            get { return count; }
        }

        /// <summary>There is room for another item.</summary>
        public bool HasRoom
        {
            get { return count < Capacity && finishedCount < Capacity; }
        }

        /// <summary>Items that came late.</summary>
        public int Underruns { get; private set; }

        /// <summary>By how much they were late, in all.</summary>
        public double LateSeconds { get; private set; }

        /// <summary>The clock stands still.</summary>
        public bool IsPaused
        {
            get { return !double.IsNaN(pausedAt); }
        }

        /// <summary>Show so many frames after what was pushed before, or at once where that has run out.</summary>
        /// <param name="item">what the frames belong to.</param>
        /// <param name="frames">how many, at least 1.</param>
        /// <param name="arrivedAt">when it came.</param>
        public void Push(T item, int frames, double arrivedAt)
        {
            if (frames < 1 || !HasRoom) throw HeliosException.Usage("no room for " + frames + " more frames; poll first");
            double start = Time(arrivedAt);
            bool isFirst = present.Item == null && count == 0;
            if (!isFirst && !isCut)
            {
                double due = count > 0 ? waiting[(first + count - 1) % Capacity].End : present.End;
                if (start > due + Rounding)
                {
                    Underruns++;
                    LateSeconds += start - due;
                }
                else start = due;
            }
            isCut = false;
            waiting[(first + count++) % Capacity] =
                new Slot { Item = item, Frames = frames, Start = start, End = start + frames / Fps };
        }

        /// <summary>
        /// What to show now; false before the first item. <paramref name="begins"/>: the item was not shown before. At
        /// most one item begins per call: what a slow viewer has not seen is not skipped.
        /// </summary>
        public bool Poll(double now, out T item, out int frame, out bool begins)
        {
            double time = Time(now);
            begins = count > 0 && time + Rounding >= waiting[first].Start;
            if (begins) Advance(time);
            item = present.Item;
            frame = 0;
            if (item == null) return false;
            frame = Math.Max(0, Math.Min((int)((time - present.Start + Rounding) * Fps), present.Frames - 1));
            return true;
        }

        /// <summary>The story jumps: what waits is dropped, and the next item is shown at once, which is no underrun.</summary>
        public void Cut()
        {
            for (; count > 0; count--)
            {
                Finish(waiting[first].Item);
                waiting[first].Item = null;
                first = (first + 1) % Capacity;
            }
            isCut = true;
        }

        /// <summary>Drop what waits and what is shown.</summary>
        public void Clear()
        {
            Cut();
            Finish(present.Item);
            present = default(Slot);
        }

        /// <summary>An item that is over; null if there is none.</summary>
        public T TakeFinished()
        {
            if (finishedCount == 0) return null;
            T item = finished[--finishedCount];
            finished[finishedCount] = null;
            return item;
        }

        /// <summary>Let the clock stand still.</summary>
        public void Pause(double now)
        {
            if (!IsPaused) pausedAt = now;
        }

        /// <summary>Let it go on.</summary>
        public void Resume(double now)
        {
            if (IsPaused) lost += now - pausedAt;
            pausedAt = double.NaN;
        }

        private double Time(double now)
        {
            return (IsPaused ? Math.Min(now, pausedAt) : now) - lost;
        }

        private void Advance(double time)
        {
            Finish(present.Item);
            present = waiting[first];
            waiting[first].Item = null;
            first = (first + 1) % Capacity;
            count--;
            double away = time - present.Start;
            if (away <= 1 / Fps) return;
            present.Start += away;
            present.End += away;
            for (int i = 0; i < count; i++)
            {
                int slot = (first + i) % Capacity;
                waiting[slot].Start += away;
                waiting[slot].End += away;
            }
        }

        private void Finish(T item)
        {
            if (item != null && finishedCount < finished.Length) finished[finishedCount++] = item;
        }
    }
}
