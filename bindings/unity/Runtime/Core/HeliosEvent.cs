namespace HeliosWorld
{
    /// <summary>Where a client stands.</summary>
    public enum HeliosClientState
    {
        /// <summary>Nothing was begun.</summary>
        Idle,

        /// <summary>It tries to reach the server, for as long as it takes.</summary>
        Connecting,

        /// <summary>The server has welcomed it.</summary>
        Connected,

        /// <summary>It is over: disposed, or the server speaks another version.</summary>
        Closed
    }

    /// <summary>What an event tells.</summary>
    public enum HeliosEventKind
    {
        /// <summary>A connection stands, the first one or another one.</summary>
        Connected,

        /// <summary>The connection is lost; Text says why. Another one is tried.</summary>
        Disconnected,

        /// <summary>A session goes on, on another connection.</summary>
        Resumed,

        /// <summary>Answers BeginOpen.</summary>
        Opened,

        /// <summary>Answers BeginReset and BeginStep.</summary>
        Chunk,

        /// <summary>Answers BeginSetPrompt; Text is the prompt.</summary>
        Prompted,

        /// <summary>Answers BeginSnapshot; Bytes are the snapshot.</summary>
        Snapshot,

        /// <summary>Answers BeginRestore.</summary>
        Restored,

        /// <summary>Answers BeginFork; Fork is the new session, Session the old one.</summary>
        Forked,

        /// <summary>Answers BeginRecord; Text is the video's path at the server, or null.</summary>
        Recorded,

        /// <summary>Answers BeginClose.</summary>
        Closed,

        /// <summary>A request failed, or the session or the connection; Error says what.</summary>
        Error
    }

    /// <summary>What HeliosClient.TryPoll gives.</summary>
    public struct HeliosEvent
    {
        /// <summary>What happened.</summary>
        public HeliosEventKind Kind;

        /// <summary>Whose event it is; null: the connection's.</summary>
        public HeliosSession Session;

        /// <summary>Of Chunk; the receiver disposes it. Null in stream mode, where the stream shows it.</summary>
        public HeliosChunk Chunk;

        /// <summary>Of Snapshot.</summary>
        public byte[] Bytes;

        /// <summary>Of Forked.</summary>
        public HeliosSession Fork;

        /// <summary>Of Disconnected, Recorded, Prompted.</summary>
        public string Text;

        /// <summary>Of Error.</summary>
        public HeliosException Error;

        /// <summary>
        /// It ends a request that was begun, the opening, or the connecting. False of an Error that no request has caused, such as one
        /// about a chunk that could not be made in stream mode.
        /// </summary>
        public bool IsAnswer;
    }

    /// <summary>What has happened so far.</summary>
    public struct HeliosStatistics
    {
        /// <summary>Of the newest request that was answered, in milliseconds.</summary>
        public double RoundTripMs;

        /// <summary>Bytes that came, of all connections.</summary>
        public long BytesReceived;

        /// <summary>Messages that came.</summary>
        public long MessagesReceived;

        /// <summary>Chunks that came complete.</summary>
        public long ChunksReceived;

        /// <summary>Messages that could not be read.</summary>
        public long DroppedMessages;

        /// <summary>Events that nobody polled in time.</summary>
        public long DroppedEvents;

        /// <summary>Sessions that were taken up again.</summary>
        public long Resumes;

        /// <summary>Connections that were made.</summary>
        public long Connections;

        /// <summary>Arrays for messages that had to be allocated.</summary>
        public long BuffersAllocated;
    }

    /// <summary>A ring of events: when it is full the oldest goes.</summary>
    internal sealed class EventQueue
    {
        public const int Capacity = 256;

        private readonly HeliosEvent[] events = new HeliosEvent[Capacity];
        private int first, count;

        public long Dropped { get; private set; }

        public void Push(ref HeliosEvent item)
        {
            HeliosEvent oldest;
            if (count == Capacity && TryPop(out oldest))
            {
                if (oldest.Chunk != null) oldest.Chunk.Dispose();
                Dropped++;
            }
            events[(first + count++) % Capacity] = item;
        }

        public bool TryPop(out HeliosEvent item)
        {
            item = events[first];
            if (count == 0) return false;
            events[first] = default(HeliosEvent);
            first = (first + 1) % Capacity;
            count--;
            return true;
        }
    }
}
