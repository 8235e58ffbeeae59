using System;

namespace HeliosWorld
{
    /// <summary>
    /// Consecutive frames, and what they were made with. Its memory is pooled: it is valid until Dispose, which gives it
    /// back. Used by one thread at a time.
    /// </summary>
    public sealed class HeliosChunk : IDisposable
    {
        private readonly ChunkPool pool;
        private byte[][] buffers = new byte[1][];
        private int[] lengths = new int[1];
        private int[] frameBuffers = new int[64], frameOffsets = new int[64], frameLengths = new int[64];
        private string[] prompts = new string[4];
        private double[] shares = new double[4];
        private bool isFree;

        internal HeliosChunk(ChunkPool pool)
        {
            this.pool = pool;
        }

        /// <summary>The session that it belongs to.</summary>
        public HeliosSession Session { get; internal set; }

        /// <summary>0 for the chunk of a reset, then 1, 2 and so on.</summary>
        public long Index { get; private set; }

        /// <summary>Grows with every reset and restore.</summary>
        public long Epoch { get; private set; }

        /// <summary>How many frames of the world came before it.</summary>
        public long FirstFrame { get; private set; }

        /// <summary>Stream mode: the number of the newest input in it; 0: none.</summary>
        public long Applied { get; private set; }

        /// <summary>How many frames it has.</summary>
        public int Frames { get; private set; }

        /// <summary>Of a frame, in pixels.</summary>
        public int Height { get; private set; }

        /// <summary>Of a frame, in pixels.</summary>
        public int Width { get; private set; }

        /// <summary>Of the frames.</summary>
        public HeliosEncoding Encoding { get; private set; }

        /// <summary>It was made with; the chunk's own object.</summary>
        public HeliosAction Action { get; private set; }

        /// <summary>How many prompts it was made with.</summary>
        public int PromptCount { get; private set; }

        /// <summary>Milliseconds that the server took to make it.</summary>
        public double TotalMs { get; private set; }

        /// <summary>Milliseconds that the request waited at the server.</summary>
        public double QueueMs { get; private set; }

        /// <summary>Stream mode: milliseconds that the oldest input in it had waited at the server; NaN: nothing changed.</summary>
        public double InputMs { get; private set; }

        /// <summary>What the client sent as its time; NaN: nothing.</summary>
        public double ClientTime { get; private set; }

        /// <summary>Milliseconds from sending the request to having the chunk; NaN in stream mode.</summary>
        public double RoundTripMs { get; internal set; }

        /// <summary>How many messages it came in; each has one buffer.</summary>
        public int BufferCount { get; private set; }

        /// <summary>When it was complete, in seconds of HeliosClock.</summary>
        internal double ArrivedAt { get; private set; }

        /// <summary>Stream mode: when the oldest change of input that it is the first to show was made; NaN: none.</summary>
        internal double ChangedAt { get; set; }

        internal long Bytes { get; private set; }

        /// <summary>A buffer as it was received: frames one after the other, for JPEG after a table of their lengths.</summary>
        public ArraySegment<byte> GetBuffer(int i)
        {
            CheckAlive();
            if (i < 0 || i >= BufferCount) throw new ArgumentOutOfRangeException("i");
            return new ArraySegment<byte>(buffers[i], 0, lengths[i]);
        }

        /// <summary>
        /// Frame number <paramref name="k"/> in the pooled memory: RGB, Height × Width × 3 bytes, rows from the top; or
        /// a whole JPEG file.
        /// </summary>
        public ArraySegment<byte> GetFrame(int k)
        {
            CheckAlive();
            if (k < 0 || k >= Frames) throw new ArgumentOutOfRangeException("k");
            return new ArraySegment<byte>(buffers[frameBuffers[k]], frameOffsets[k], frameLengths[k]);
        }

        /// <summary>Copy the bytes of a frame.</summary>
        public void CopyFrame(int k, byte[] destination, int offset = 0)
        {
            ArraySegment<byte> frame = GetFrame(k);
            Buffer.BlockCopy(frame.Array, frame.Offset, destination, offset, frame.Count);
        }

        /// <summary>The text of prompt number <paramref name="i"/>.</summary>
        public string PromptText(int i)
        {
            if (i < 0 || i >= PromptCount) throw new ArgumentOutOfRangeException("i");
            return prompts[i];
        }

        /// <summary>The weight of that prompt, from 0 to 1.</summary>
        public double PromptShare(int i)
        {
            if (i < 0 || i >= PromptCount) throw new ArgumentOutOfRangeException("i");
            return shares[i];
        }

        /// <summary>Give the memory back. Frames must not be used afterwards.</summary>
        public void Dispose()
        {
            pool.Return(this);
        }

        internal void Begin(ChunkMessage message)
        {
            isFree = false;
            Action = Action ?? new HeliosAction();
            Epoch = message.Epoch;
            Index = message.Index;
            FirstFrame = message.FirstFrame;
            Height = message.Height;
            Width = message.Width;
            Encoding = message.Encoding;
            Frames = BufferCount = 0;
            Bytes = 0;
            RoundTripMs = ChangedAt = double.NaN;
        }

        /// <summary>Add the frames of one message; false if they are damaged.</summary>
        internal bool Add(ChunkMessage message)
        {
            byte[] buffer = message.Raw.Take(0);
            int length = message.Raw.Lengths[0];
            if (BufferCount == buffers.Length)
            {
                Array.Resize(ref buffers, 2 * BufferCount);
                Array.Resize(ref lengths, 2 * BufferCount);
            }
            buffers[BufferCount] = buffer;
            lengths[BufferCount++] = length;
            Bytes += length;
            Grow(Frames + message.Frames);
            if (Encoding == HeliosEncoding.Jpeg) return AddFiles(buffer, length, message.Frames);
            int bytes = Height * Width * 3;
            for (int i = 0; i < message.Frames; i++) AddFrame((long)i * bytes, bytes);
            return true;
        }

        /// <summary>The last message tells how it was made.</summary>
        internal void End(ChunkMessage message, double now)
        {
            Applied = message.Applied;
            TotalMs = message.TotalMs;
            QueueMs = message.QueueMs;
            InputMs = message.InputMs;
            ClientTime = message.ClientTime;
            Action.CopyFrom(message.Action);
            PromptCount = message.PromptCount;
            if (prompts.Length < PromptCount)
            {
                prompts = new string[ChunkMessage.MaxPrompts];
                shares = new double[ChunkMessage.MaxPrompts];
            }
            Array.Copy(message.Prompts, prompts, PromptCount);
            Array.Copy(message.Shares, shares, PromptCount);
            ArrivedAt = now;
        }

        /// <summary>False if it was free already.</summary>
        internal bool Free(FramePool frames)
        {
            if (isFree) return false;
            isFree = true;
            for (int i = 0; i < BufferCount; i++)
            {
                frames.Return(buffers[i]);
                buffers[i] = null;
            }
            Frames = BufferCount = PromptCount = 0;
            Session = null;
            return true;
        }

        private bool AddFiles(byte[] buffer, int length, int count)
        {
            long at = 4L * count;
            for (int i = 0; i < count && at <= length; i++)
            {
                int entry = 4 * i;
                long size = buffer[entry] | (long)buffer[entry + 1] << 8 | (long)buffer[entry + 2] << 16 | (long)buffer[entry + 3] << 24;
                if (size > length - at) return false;
                AddFrame(at, (int)size);
                at += size;
            }
            return at == length;
        }

        private void AddFrame(long offset, int length)
        {
            frameBuffers[Frames] = BufferCount - 1;
            frameOffsets[Frames] = (int)offset;
            frameLengths[Frames++] = length;
        }

        private void Grow(int frames)
        {
            if (frames <= frameBuffers.Length) return;
            int size = Math.Max(frames, 2 * frameBuffers.Length);
            Array.Resize(ref frameBuffers, size);
            Array.Resize(ref frameOffsets, size);
            Array.Resize(ref frameLengths, size);
        }

        private void CheckAlive()
        {
            if (isFree) throw HeliosException.Usage("the chunk was disposed; copy its frames before");
        }
    }
}
