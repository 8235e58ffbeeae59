using System.Collections.Generic;

namespace HeliosWorld
{
    /// <summary>Chunks that are used again. Any thread.</summary>
    internal sealed class ChunkPool
    {
        private const int MostKept = 32;
        private readonly Stack<HeliosChunk> free = new Stack<HeliosChunk>(MostKept);

        public readonly FramePool Frames = new FramePool();

        public HeliosChunk Rent()
        {
            lock (free) return free.Count > 0 ? free.Pop() : new HeliosChunk(this);
        }

        public void Return(HeliosChunk chunk)
        {
            lock (free)
            {
                if (chunk.Free(Frames) && free.Count < MostKept) free.Push(chunk);
            }
        }
    }

    /// <summary>Puts the messages of a chunk together.</summary>
    internal sealed class ChunkAssembly
    {
        // A server may send as many messages as it likes; what they take together is bounded all the same.
        private const long MostBytes = 1L << 30;

        private readonly ChunkPool pool;
        private HeliosChunk chunk;
        private long seq, of, next;

        public ChunkAssembly(ChunkPool pool)
        {
            this.pool = pool;
        }

        /// <summary>
        /// The chunk if it is complete now, otherwise null. A message that is not the next one of its chunk is passed
        /// over; <paramref name="isDamaged"/> if the frames are not what the message says.
        /// </summary>
        public HeliosChunk Add(ChunkMessage message, double now, out bool isDamaged)
        {
            isDamaged = false;
            if (message.Part == 0) Begin(message);
            else if (!Continues(message)) return null;
            if (!chunk.Add(message) || chunk.Bytes > MostBytes)
            {
                isDamaged = true;
                Clear();
                return null;
            }
            if (++next < of) return null;
            HeliosChunk complete = chunk;
            chunk = null;
            complete.End(message, now);
            return complete;
        }

        public void Clear()
        {
            if (chunk != null) chunk.Dispose();
            chunk = null;
        }

        private void Begin(ChunkMessage message)
        {
            Clear();
            chunk = pool.Rent();
            chunk.Begin(message);
            seq = message.Seq;
            of = message.Of;
            next = 0;
        }

        private bool Continues(ChunkMessage message)
        {
            return chunk != null && message.Part == next && message.Of == of && message.Seq == seq
                && message.Epoch == chunk.Epoch && message.Index == chunk.Index && message.Height == chunk.Height
                && message.Width == chunk.Width && message.Encoding == chunk.Encoding;
        }
    }
}
