using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;
using System.Threading;

namespace HeliosWorld.Tests
{
    /// <summary>
    /// A server of one session, which answers as a sound one does as long as a test does not say otherwise: Script sees
    /// each message first, and returns whether it has dealt with it.
    /// </summary>
    internal sealed class FakeServer : IZmtpSink, IDisposable
    {
        public const string Sid = "00112233445566778899aabbccddeeff";

        public readonly List<Dictionary<string, object>> Heard = new List<Dictionary<string, object>>();
        public volatile Func<Dictionary<string, object>, bool> Script = heard => false;
        public double Heartbeat = 15;
        public volatile int PauseMs;
        public long NextSeq = 1, Epoch, Index;

        private readonly TcpListener listener = new TcpListener(IPAddress.Loopback, 0);
        private readonly object gate = new object();
        private Socket peer;
        private volatile bool isOver;

        public FakeServer()
        {
            listener.Start();
            new Thread(Accept) { IsBackground = true }.Start();
        }

        public string Address
        {
            get { return "127.0.0.1:" + ((IPEndPoint)listener.LocalEndpoint).Port; }
        }

        public HeliosClient Connect(double repeat = 5, double timeout = 10)
        {
            var options = new HeliosClientOptions { Address = Address, RepeatSeconds = repeat, TimeoutSeconds = timeout };
            var client = new HeliosClient(options);
            client.Connect();
            return client;
        }

        public int Count(string type)
        {
            lock (gate) return Heard.FindAll(heard => (string)heard["t"] == type).Count;
        }

        /// <summary>How many chunks the client has allowed.</summary>
        public long Credit
        {
            get
            {
                long sum = 0;
                lock (gate) foreach (Dictionary<string, object> heard in Heard) if ((string)heard["t"] == "CREDIT") sum += (long)heard["n"];
                return sum;
            }
        }

        /// <summary>The sum of what the axis was moved by.</summary>
        public double Moved
        {
            get
            {
                double sum = 0;
                lock (gate)
                {
                    foreach (Dictionary<string, object> heard in Heard)
                    {
                        object amount;
                        bool isInput = (string)heard["t"] == "INPUT";
                        if (isInput && ((Dictionary<string, object>)heard["axes"]).TryGetValue("turn", out amount)) sum += (double)amount;
                    }
                }
                return sum;
            }
        }

        public void Cut()
        {
            lock (gate) if (peer != null) peer.Close();
        }

        public void Dispose()
        {
            isOver = true;
            listener.Stop();
            Cut();
        }

        public void Send(Dictionary<string, object> header, byte[] buffer = null)
        {
            var stream = new ByteBuffer();
            var parts = new List<byte[]> { new byte[] { (byte)'H', (byte)'W', 1, 0 }, Values.Pack(header) };
            if (buffer != null) parts.Add(buffer);
            Streams.Add(stream, parts);
            Write(stream);
        }

        public void Error(object seq, string code, bool retryable = false)
        {
            Send(Map("t", "ERROR", "seq", seq, "sid", Sid, "code", code, "message", "as the test wants it", "retryable", retryable));
        }

        /// <summary>Answer an OPEN or a RESUME.</summary>
        public void Opened(Dictionary<string, object> heard)
        {
            Send(Map("t", "OPENED", "seq", heard["seq"], "sid", Sid, "token", Sid + Sid, "epoch", Epoch, "next_seq", NextSeq,
                "index", Index, "world", World()));
        }

        /// <summary>The next chunk, which is the answer of a request, or comes unasked (null).</summary>
        public void Chunk(object seq)
        {
            long index = Index++; // before the client knows
            var part = Map("dtype", "u1", "shape", List(2L, 8L, 8L, 3L));
            var timing = Map("encode", 0.0, "denoise", new List<object>(), "decode", 0.0, "total", 0.0);
            Send(Map("t", "CHUNK", "sid", Sid, "seq", seq, "epoch", Epoch, "index", index, "first_frame", 2 * index, "frames", 2L,
                "height", 8L, "width", 8L, "encoding", "rgb24", "parts", List(part), "action", Map(), "prompt", List(),
                "timing", timing), new byte[2 * 8 * 8 * 3]);
        }

        public static Dictionary<string, object> Map(params object[] pairs)
        {
            var map = new Dictionary<string, object>();
            for (int i = 0; i < pairs.Length; i += 2) map.Add((string)pairs[i], pairs[i + 1]);
            return map;
        }

        public static List<object> List(params object[] items)
        {
            return new List<object>(items);
        }

        void IZmtpSink.OnGreeting()
        {
        }

        void IZmtpSink.OnReady()
        {
        }

        void IZmtpSink.OnPing(byte[] data, int offset, int count)
        {
        }

        void IZmtpSink.OnMessage(ZmtpMessage message)
        {
            var header = new byte[message.HeaderLength];
            Buffer.BlockCopy(message.Header, 0, header, 0, header.Length);
            var heard = (Dictionary<string, object>)Values.Unpack(header);
            lock (gate) Heard.Add(heard);
            if (!Script(heard)) Answer(heard);
        }

        private void Answer(Dictionary<string, object> heard)
        {
            switch ((string)heard["t"])
            {
                case "HELLO": Welcome(heard); break;
                case "OPEN": case "RESUME": Opened(heard); break;
                case "PING":
                    Send(Map("t", "PONG", "n", heard["n"], "server_time", 0.0, "queue", 0L, "sessions", 1L));
                    break;
                case "RESET":
                    NextSeq++;
                    Epoch++;
                    Index = 0;
                    Chunk(heard["seq"]);
                    break;
                case "CLOSE": Send(Map("t", "CLOSED", "sid", heard["sid"], "seq", heard["seq"])); break;
            }
        }

        private void Welcome(Dictionary<string, object> heard)
        {
            Send(Map("t", "WELCOME", "seq", heard["seq"], "version", 1L, "server", "fake/1", "worlds", List("w"),
                "capabilities", List("stream"), "max_message", 1L << 28, "heartbeat_s", Heartbeat, "idle_s", 60.0,
                "session_limit", 4L, "world", World()));
        }

        private static Dictionary<string, object> World()
        {
            var buttons = List(Map("name", "forward", "meaning", "walk"));
            var axes = List(Map("name", "turn", "meaning", "turn", "unit", "degrees", "low", -9.0, "high", 9.0, "combine", "sum"));
            return Map("name", "w", "fps", 24L, "height", 8L, "width", 8L, "frames_per_chunk", 2L,
                "actions", Map("buttons", buttons, "axes", axes, "steering", "trained"), "prompts", List(), "blend", 1L,
                "fingerprint", "f", "memory", null, "starts", List("prompt"), "fade", "early");
        }

        private void Write(ByteBuffer stream)
        {
            try
            {
                lock (gate) peer.Send(stream.Data, stream.Count, SocketFlags.None);
            }
            catch (SocketException) { } // the client is gone
            catch (ObjectDisposedException) { }
        }

        private void Accept()
        {
            while (!isOver)
            {
                try
                {
                    Socket next = listener.AcceptSocket();
                    lock (gate) peer = next;
                    Serve(next);
                }
                catch (SocketException) { }
                catch (InvalidOperationException) { } // closed, or nobody listens any more
            }
        }

        private void Serve(Socket from)
        {
            var hello = new ByteBuffer();
            Streams.Handshake(hello);
            Write(hello);
            var parser = new ZmtpParser(new FramePool(), this);
            var data = new byte[65536];
            from.ReceiveBufferSize = data.Length;
            for (int count = from.Receive(data); count > 0; count = from.Receive(data))
            {
                parser.Feed(data, 0, count);
                if (PauseMs > 0) Thread.Sleep(PauseMs);
            }
        }
    }
}
