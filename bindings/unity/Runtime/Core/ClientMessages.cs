namespace HeliosWorld
{
    /// <summary>The messages that a client sends besides requests of a session.</summary>
    internal static class ClientMessages
    {
        public static void Hello(MessageWriter writer, ByteBuffer target, long seq, string name)
        {
            MsgPackWriter header = writer.Begin("HELLO", 3);
            header.String("seq");
            header.Int(seq);
            header.String("versions");
            header.Array(1);
            header.Int(1);
            header.String("client");
            header.String(name);
            writer.End(target);
        }

        public static void Resume(MessageWriter writer, ByteBuffer target, long seq, string sid, string token, long last)
        {
            MsgPackWriter header = writer.Begin("RESUME", 4);
            header.String("seq");
            header.Int(seq);
            header.String("sid");
            header.String(sid);
            header.String("token");
            header.String(token);
            header.String("last_seq");
            header.Int(last);
            writer.End(target);
        }

        public static void Close(MessageWriter writer, ByteBuffer target, string sid, long seq)
        {
            MsgPackWriter header = writer.Begin("CLOSE", 2);
            header.String("sid");
            header.String(sid);
            header.String("seq");
            header.Int(seq);
            writer.End(target);
        }

        public static void Ping(MessageWriter writer, ByteBuffer target, long n)
        {
            MsgPackWriter header = writer.Begin("PING", 1);
            header.String("n");
            header.Int(n);
            writer.End(target);
        }

        public static void Credit(MessageWriter writer, ByteBuffer target, string sid, long epoch, int n)
        {
            MsgPackWriter header = writer.Begin("CREDIT", 3);
            header.String("sid");
            header.String(sid);
            header.String("epoch");
            header.Int(epoch);
            header.String("n");
            header.Int(n);
            writer.End(target);
        }

        public static void Open(MessageWriter writer, Request target, HeliosOpenOptions options, string nonce)
        {
            MsgPackWriter header = writer.Begin("OPEN", 8);
            int seqAt = Seq(header);
            header.String("world");
            header.String(options.World);
            header.String("mode");
            header.String(HeliosNames.Of(options.Mode));
            header.String("encoding");
            header.String(HeliosNames.Of(options.Encoding));
            header.String("quality");
            header.Int(options.Quality);
            header.String("progressive");
            header.Bool(options.Progressive);
            header.String("record");
            header.Bool(options.Record);
            header.String("nonce");
            header.String(nonce);
            target.Encoded(writer.End(target.Bytes), seqAt, 0);
        }

        public static void Reset(MessageWriter writer, Request target, string sid, long seed, string prompt)
        {
            MsgPackWriter header = writer.Begin("RESET", 5);
            int seqAt = Owner(header, sid);
            header.String("seed");
            header.Int(seed);
            header.String("prompt");
            header.String(prompt);
            header.String("start");
            header.String("prompt");
            target.Encoded(writer.End(target.Bytes), seqAt, 0);
        }

        public static void Step(MessageWriter writer, Request target, string sid, HeliosAction action, string prompt)
        {
            MsgPackWriter header = writer.Begin("STEP", 5);
            int seqAt = Owner(header, sid);
            header.String("epoch");
            int epochAt = header.WideInt(0);
            header.String("action");
            Action(header, action);
            header.String("prompt");
            header.String(prompt);
            target.Encoded(writer.End(target.Bytes), seqAt, epochAt);
        }

        public static void Prompt(MessageWriter writer, Request target, string sid, string prompt)
        {
            MsgPackWriter header = writer.Begin("PROMPT", 3);
            int seqAt = Owner(header, sid);
            header.String("prompt");
            header.String(prompt);
            target.Encoded(writer.End(target.Bytes), seqAt, 0);
        }

        /// <summary>SNAPSHOT, FORK and CLOSE have no keys of their own.</summary>
        public static void Plain(MessageWriter writer, Request target, string type, string sid)
        {
            MsgPackWriter header = writer.Begin(type, 2);
            int seqAt = Owner(header, sid);
            target.Encoded(writer.End(target.Bytes), seqAt, 0);
        }

        public static void Restore(MessageWriter writer, Request target, string sid, byte[] snapshot)
        {
            MsgPackWriter header = writer.Begin("RESTORE", 3);
            int seqAt = Owner(header, sid);
            header.String("parts");
            header.Array(1);
            header.Map(1);
            header.String("bytes");
            header.Int(snapshot.Length);
            target.Encoded(writer.End(target.Bytes, snapshot), seqAt, 0);
        }

        public static void Record(MessageWriter writer, Request target, string sid, bool on)
        {
            MsgPackWriter header = writer.Begin("RECORD", 3);
            int seqAt = Owner(header, sid);
            header.String("on");
            header.Bool(on);
            target.Encoded(writer.End(target.Bytes), seqAt, 0);
        }

        private static int Owner(MsgPackWriter header, string sid)
        {
            header.String("sid");
            header.String(sid);
            return Seq(header);
        }

        private static int Seq(MsgPackWriter header)
        {
            header.String("seq");
            return header.WideInt(1);
        }

        private static void Action(MsgPackWriter header, HeliosAction action)
        {
            header.Map(2);
            header.String("buttons");
            header.Array(action.ButtonCount);
            for (int i = 0; i < action.ButtonCount; i++) header.String(action.Button(i));
            header.String("axes");
            header.Map(action.AxisCount);
            for (int i = 0; i < action.AxisCount; i++)
            {
                header.String(action.AxisName(i));
                header.Float(action.AxisValue(i));
            }
        }
    }
}
