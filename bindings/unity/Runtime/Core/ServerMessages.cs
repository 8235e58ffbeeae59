namespace HeliosWorld
{
    internal enum MessageType
    {
        Welcome,
        Opened,
        Closed,
        State,
        Done,
        Chunk,
        Pong,
        Error,
        Bye
    }

    /// <summary>What a server sent. Seq 0 and Sid null stand for nil.</summary>
    internal class ServerMessage
    {
        public MessageType Type;
        public long Seq, Epoch, Index;
        public string Sid;

        /// <summary>The raw parts; buffers may be taken out.</summary>
        public ZmtpMessage Raw;
    }

    internal sealed class WelcomeMessage : ServerMessage
    {
        public HeliosServerInfo Info = new HeliosServerInfo();
    }

    internal sealed class OpenedMessage : ServerMessage
    {
        public string Token, Parent;
        public long NextSeq = 1;
        public WorldSpec World;
    }

    internal sealed class DoneMessage : ServerMessage
    {
        public string Path;
    }

    internal sealed class PongMessage : ServerMessage
    {
        public bool IsBusy;
        public long Queue;
    }

    internal sealed class ErrorMessage : ServerMessage
    {
        public string Code, Text;
        public bool Retryable;
        public long NextSeq;
    }

    internal sealed class ByeMessage : ServerMessage
    {
        public string Reason;
        public bool Resumable;
    }

    /// <summary>One message of a chunk; the same object is used for all of them.</summary>
    internal sealed class ChunkMessage : ServerMessage
    {
        public const int MaxPrompts = 64;

        public readonly HeliosAction Action = new HeliosAction();
        public readonly string[] Prompts = new string[MaxPrompts];
        public readonly double[] Shares = new double[MaxPrompts];
        public int PromptCount;
        public long FirstFrame, Part, Of, Applied;
        public int Frames, Height, Width;
        public HeliosEncoding Encoding;

        /// <summary>h264 is valid on the wire, but was never asked for.</summary>
        public bool IsForeign;

        public double TotalMs, QueueMs, InputMs, ClientTime;

        public void Clear()
        {
            Action.Clear();
            PromptCount = 0;
            Seq = Part = Applied = 0;
            Of = 1;
            QueueMs = 0;
            IsForeign = false;
            InputMs = ClientTime = double.NaN;
        }
    }
}
