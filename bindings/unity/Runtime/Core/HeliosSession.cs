using System;

namespace HeliosWorld
{
    /// <summary>
    /// A world at the server. One request is under way at a time: the Begin methods return at once and end in an event
    /// of the client, the others wait at most the client's TimeoutSeconds. After a time-out the same call again waits
    /// for the same answer; the server never does a request twice.
    /// </summary>
    public sealed partial class HeliosSession
    {
        private const double ClosingSeconds = 1, LongestClosingSeconds = 10;
        private static readonly HeliosAction Nothing = new HeliosAction();

        internal HeliosSession(HeliosClient client, HeliosMode mode, HeliosEncoding encoding)
        {
            Client = client;
            Mode = mode;
            Encoding = encoding;
            answer = new ChunkAssembly(client.Chunks);
            streamed = new ChunkAssembly(client.Chunks);
        }

        /// <summary>Whose it is.</summary>
        public HeliosClient Client { get; private set; }

        /// <summary>Who decides when a chunk is made.</summary>
        public HeliosMode Mode { get; private set; }

        /// <summary>How frames travel.</summary>
        public HeliosEncoding Encoding { get; private set; }

        /// <summary>Its id; null until it is opened.</summary>
        public string Id { get; private set; }

        /// <summary>The session that it was forked from; null for one that was opened.</summary>
        public string Parent { get; private set; }

        /// <summary>The world; null until it is opened.</summary>
        public WorldSpec World { get; private set; }

        /// <summary>Stream mode, once it is opened: what shows the frames. Otherwise null.</summary>
        public HeliosStream Stream { get; private set; }

        /// <summary>Grows with every reset and restore; 0 before the first.</summary>
        public long Epoch { get; private set; }

        /// <summary>Of the next chunk.</summary>
        public long Index { get; private set; }

        /// <summary>It was opened and has not ended.</summary>
        public bool IsOpen
        {
            get { lock (Client.Gate) return state != Standing.Opening && state != Standing.Ended && current.Kind != RequestKind.Close; }
        }

        /// <summary>A request is under way.</summary>
        public bool IsBusy
        {
            get { lock (Client.Gate) return IsTaken(); }
        }

        /// <summary>Begin the world anew. seed from 0 on; prompt null takes one of the world's. Stream mode: gives null.</summary>
        public HeliosChunk Reset(long seed, string prompt = null)
        {
            lock (Client.Gate)
            {
                DoReset(seed, prompt, true);
                return Await().Chunk;
            }
        }

        /// <summary>As Reset; ends in the event Chunk.</summary>
        public void BeginReset(long seed, string prompt = null)
        {
            lock (Client.Gate) DoReset(seed, prompt, false);
        }

        /// <summary>Lockstep: make the next chunk with this action (null: nothing held); a prompt fades in.</summary>
        public HeliosChunk Step(HeliosAction action = null, string prompt = null)
        {
            lock (Client.Gate)
            {
                DoStep(action, prompt, true);
                return Await().Chunk;
            }
        }

        /// <summary>As Step; ends in the event Chunk.</summary>
        public void BeginStep(HeliosAction action = null, string prompt = null)
        {
            lock (Client.Gate) DoStep(action, prompt, false);
        }

        /// <summary>Change the prompt of the chunks from the next one on.</summary>
        public void SetPrompt(string text)
        {
            lock (Client.Gate)
            {
                DoPrompt(text, true);
                Await();
            }
        }

        /// <summary>As SetPrompt; ends in the event Prompted.</summary>
        public void BeginSetPrompt(string text)
        {
            lock (Client.Gate) DoPrompt(text, false);
        }

        /// <summary>The world's whole state; for Restore, here or in another session of the same world.</summary>
        public byte[] Snapshot()
        {
            lock (Client.Gate)
            {
                DoPlain(RequestKind.Snapshot, "SNAPSHOT", true);
                return Await().Bytes;
            }
        }

        /// <summary>As Snapshot; ends in the event Snapshot.</summary>
        public void BeginSnapshot()
        {
            lock (Client.Gate) DoPlain(RequestKind.Snapshot, "SNAPSHOT", false);
        }

        /// <summary>Continue from a snapshot.</summary>
        public void Restore(byte[] snapshot)
        {
            lock (Client.Gate)
            {
                DoRestore(snapshot, true);
                Await();
            }
        }

        /// <summary>As Restore; ends in the event Restored.</summary>
        public void BeginRestore(byte[] snapshot)
        {
            lock (Client.Gate) DoRestore(snapshot, false);
        }

        /// <summary>A second session in the same state, on the same connection.</summary>
        public HeliosSession Fork()
        {
            lock (Client.Gate)
            {
                DoPlain(RequestKind.Fork, "FORK", true);
                return Await().Fork;
            }
        }

        /// <summary>As Fork; ends in the event Forked.</summary>
        public void BeginFork()
        {
            lock (Client.Gate) DoPlain(RequestKind.Fork, "FORK", false);
        }

        /// <summary>Start or end the server's recording; the video's path there, or null.</summary>
        public string Record(bool on)
        {
            lock (Client.Gate)
            {
                DoRecord(on, true);
                return Await().Text;
            }
        }

        /// <summary>As Record; ends in the event Recorded.</summary>
        public void BeginRecord(bool on)
        {
            lock (Client.Gate) DoRecord(on, false);
        }

        /// <summary>
        /// End the session, waiting at most a second. A request under way fails; while the server is still at it, it is
        /// told again in the background.
        /// </summary>
        public void Close()
        {
            lock (Client.Gate)
            {
                if (DoClose(false, true)) Await();
            }
        }

        /// <summary>As Close; ends in the event Closed.</summary>
        public void BeginClose()
        {
            lock (Client.Gate)
            {
                if (DoClose(false, false)) return;
                var closed = new HeliosEvent { Kind = HeliosEventKind.Closed, Session = this, IsAnswer = true };
                Client.Emit(ref closed);
            }
        }

        private void DoReset(long seed, string prompt, bool isBlocking)
        {
            if (seed < 0) throw HeliosException.Usage("the seed is " + seed + "; use one from 0 on");
            CheckPrompt(prompt);
            Request request = Prepare(RequestKind.Reset, isBlocking);
            ClientMessages.Reset(Client.Writer, request, Id, seed, prompt);
            Commit();
        }

        private void DoStep(HeliosAction action, string prompt, bool isBlocking)
        {
            if (Mode == HeliosMode.Stream)
                throw HeliosException.Usage("in stream mode the server steps by itself; open the session in lockstep mode to step");
            CheckPrompt(prompt);
            Request request = Prepare(RequestKind.Step, isBlocking);
            ClientMessages.Step(Client.Writer, request, Id, action ?? Nothing, prompt);
            Commit();
        }

        private void DoPrompt(string text, bool isBlocking)
        {
            if (text == null) throw HeliosException.Usage("a prompt is needed");
            CheckPrompt(text);
            Request request = Prepare(RequestKind.Prompt, isBlocking);
            request.Text = text;
            ClientMessages.Prompt(Client.Writer, request, Id, text);
            Commit();
        }

        private void DoPlain(RequestKind kind, string type, bool isBlocking)
        {
            Request request = Prepare(kind, isBlocking);
            ClientMessages.Plain(Client.Writer, request, type, Id);
            Commit();
        }

        private void DoRestore(byte[] snapshot, bool isBlocking)
        {
            if (snapshot == null) throw HeliosException.Usage("a snapshot is needed; Snapshot() gives one");
            HeliosServerInfo server = Client.Server;
            if (server != null && snapshot.Length > server.MaxMessage - ZmtpMessage.MaxHeader)
                throw new HeliosException("too_large", "a snapshot of " + snapshot.Length
                    + " bytes; the server takes messages of at most " + server.MaxMessage, false);
            Request request = Prepare(RequestKind.Restore, isBlocking);
            ClientMessages.Restore(Client.Writer, request, Id, snapshot);
            Commit();
        }

        private void DoRecord(bool on, bool isBlocking)
        {
            Request request = Prepare(RequestKind.Record, isBlocking);
            ClientMessages.Record(Client.Writer, request, Id, on);
            Commit();
        }

        internal static void CheckPrompt(string prompt)
        {
            if (prompt == null) return;
            int points = Utf8.Count(prompt);
            if (points < 0) throw HeliosException.Usage("the prompt has half a character (a surrogate without its pair)");
            if (points > 2000) throw HeliosException.Usage("the prompt has " + points + " characters; at most 2000 are allowed");
        }
    }
}
