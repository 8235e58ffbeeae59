namespace HeliosWorld
{
    internal enum RequestKind
    {
        None,
        Open,
        Reset,
        Step,
        Prompt,
        Snapshot,
        Restore,
        Fork,
        Record,
        Close
    }

    /// <summary>A caller who waits, and what came for it.</summary>
    internal sealed class Waiter
    {
        public bool IsDone;
        public HeliosEvent Result;
    }

    /// <summary>A request under way, as the bytes that are sent and repeated. Used again for the next one.</summary>
    internal sealed class Request
    {
        public readonly ByteBuffer Bytes = new ByteBuffer();
        public RequestKind Kind;
        public long Seq;
        public double Deadline, BegunAt;

        /// <summary>When it was last sent on the present attachment; NaN: not yet.</summary>
        public double SentAt;

        /// <summary>Not to be sent again before; negative: by the usual rule.</summary>
        public double RetryAt;

        public int Retries;

        /// <summary>The caller who waits for it; null: it ends in an event.</summary>
        public Waiter Waiter;

        /// <summary>Its caller has given up; the answer is still needed to know where the session stands.</summary>
        public bool IsOrphan;

        /// <summary>Why the server has put it off so far.</summary>
        public HeliosException Refusal;

        /// <summary>The prompt of a PROMPT.</summary>
        public string Text;

        private int seqAt, epochAt;

        public bool IsActive
        {
            get { return Kind != RequestKind.None; }
        }

        public void Begin(RequestKind kind, double now, double timeout, Waiter waiter)
        {
            Clear();
            Kind = kind;
            BegunAt = now;
            Deadline = now + timeout;
            Waiter = waiter;
        }

        public void Clear()
        {
            Kind = RequestKind.None;
            Bytes.Clear();
            Seq = 0;
            Retries = 0;
            SentAt = double.NaN;
            RetryAt = -1;
            Waiter = null;
            IsOrphan = false;
            Refusal = null;
            Text = null;
        }

        /// <summary>Where in the header the numbers stand that are known only when it is sent; 0: there is none.</summary>
        public void Encoded(int headerAt, int seqInHeader, int epochInHeader)
        {
            seqAt = headerAt + seqInHeader;
            epochAt = epochInHeader == 0 ? 0 : headerAt + epochInHeader;
        }

        /// <summary>Its number is fixed from now on, and so are its bytes.</summary>
        public void Number(long seq, long epoch)
        {
            Seq = seq;
            Bytes.PutBigEndian(seqAt, (ulong)seq);
            if (epochAt != 0) Bytes.PutBigEndian(epochAt, (ulong)epoch);
        }

        /// <summary>Whether both ask for the same.</summary>
        public bool IsLike(Request other)
        {
            if (Kind != other.Kind || Bytes.Count != other.Bytes.Count) return false;
            for (int i = 0; i < Bytes.Count; i++)
            {
                bool isNumber = (i >= seqAt && i < seqAt + 8) || (epochAt != 0 && i >= epochAt && i < epochAt + 8);
                if (!isNumber && Bytes.Data[i] != other.Bytes.Data[i]) return false;
            }
            return true;
        }
    }
}
