namespace HeliosWorld
{
    /// <summary>Reads the messages that describe a server or a world; they are rare, and allocate.</summary>
    internal static class WorldDecoder
    {
        private static readonly KeyTable WelcomeKeys = new KeyTable(
            10, "seq", "version", "server", "worlds", "capabilities", "max_message", "heartbeat_s", "idle_s", "world",
            "session_limit", "lifetime_s");
        private static readonly KeyTable OpenedKeys =
            new KeyTable(4, "seq", "sid", "token", "world", "epoch", "next_seq", "index", "parent");
        private static readonly KeyTable WorldKeys = new KeyTable(
            12, "name", "fps", "height", "width", "frames_per_chunk", "actions", "prompts", "blend", "fingerprint",
            "memory", "starts", "fade");
        private static readonly KeyTable ControlKeys = new KeyTable(3, "buttons", "axes", "steering");
        private static readonly KeyTable ButtonKeys = new KeyTable(2, "name", "meaning");
        private static readonly KeyTable AxisKeys = new KeyTable(6, "name", "meaning", "unit", "low", "high", "combine");
        private static readonly KeyTable MemoryKeys = new KeyTable(4, "long", "mid", "short", "latents_per_chunk");
        private static readonly KeyTable NextSeqKey = new KeyTable(0, "next_seq");

        public static ServerMessage Welcome(MsgPackReader reader)
        {
            var message = new WelcomeMessage { Type = MessageType.Welcome };
            HeliosServerInfo info = message.Info;
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(WelcomeKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: message.Seq = reader.ReadSeq(); break;
                    case 1: info.Version = (int)System.Math.Min(reader.ReadCount(), int.MaxValue); break;
                    case 2: info.Server = reader.ReadString(0, 256); break;
                    case 3: info.Worlds = Strings(reader, 1, 256, 0, 256); break;
                    case 4: info.Capabilities = Strings(reader, 0, 256, 1, 64); break;
                    case 5: info.MaxMessage = reader.ReadCount(); break;
                    case 6: info.HeartbeatSeconds = Positive(reader); break;
                    case 7: Positive(reader); break;
                    case 8: info.World = World(reader); break;
                    case 9: reader.ReadCount(); break;
                    case 10: if (!reader.TryNil()) Positive(reader); break;
                    default: reader.Skip(); break;
                }
            }
            WelcomeKeys.Require(seen);
            return message;
        }

        public static ServerMessage Opened(MsgPackReader reader)
        {
            var message = new OpenedMessage { Type = MessageType.Opened };
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(OpenedKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: message.Seq = reader.ReadSeq(); break;
                    case 1: message.Sid = reader.ReadHex(32); break;
                    case 2: message.Token = reader.ReadHex(64); break;
                    case 3: message.World = World(reader); break;
                    case 4: message.Epoch = reader.ReadCount(); break;
                    case 5: message.NextSeq = reader.ReadSeq(); break;
                    case 6: message.Index = reader.ReadCount(); break;
                    case 7: message.Parent = reader.TryNil() ? null : reader.ReadHex(32); break;
                    default: reader.Skip(); break;
                }
            }
            OpenedKeys.Require(seen);
            return message;
        }

        /// <summary>The details of an ERROR; only next_seq matters here.</summary>
        public static void Details(MsgPackReader reader, ErrorMessage message)
        {
            int count = reader.ReadMap();
            if (count > 32) throw new WireException("details of " + count + " entries");
            for (; count > 0; count--)
            {
                int key = reader.ReadKey(NextSeqKey);
                int start = reader.Position;
                reader.Skip();
                if (key != 0) continue;
                int end = reader.Position;
                reader.Position = start;
                ulong raw;
                bool isNegative;
                if (reader.ReadInteger(reader.Next(), out raw, out isNegative) && !isNegative && raw <= MsgPackReader.MaxCount)
                    message.NextSeq = (long)raw;
                reader.Position = end;
            }
        }

        public static WorldSpec World(MsgPackReader reader)
        {
            var world = new WorldSpec();
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(WorldKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: world.Name = reader.ReadString(0, 256); break;
                    case 1: world.Fps = (int)reader.ReadInt(1, 1000); break;
                    case 2: world.Height = (int)reader.ReadInt(1, 8192); break;
                    case 3: world.Width = (int)reader.ReadInt(1, 8192); break;
                    case 4: world.FramesPerChunk = (int)reader.ReadInt(1, 4096); break;
                    case 5: Controls(reader, world); break;
                    case 6: world.Prompts = Strings(reader, 0, 256, 0, 2000); break;
                    case 7: world.Blend = reader.ReadCount(); break;
                    case 8: world.Fingerprint = reader.ReadString(0, 256); break;
                    case 9: Memory(reader); break;
                    case 10: world.Starts = Starts(reader); break;
                    case 11: world.Fade = OneOf(reader, "early", "late"); break;
                    default: reader.Skip(); break;
                }
            }
            WorldKeys.Require(seen);
            return world;
        }

        private static void Controls(MsgPackReader reader, WorldSpec world)
        {
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(ControlKeys);
                if (key >= 0) seen |= 1 << key;
                if (key == 0)
                {
                    world.Buttons = new ButtonSpec[reader.ReadArray(HeliosAction.Most)];
                    for (int i = 0; i < world.Buttons.Length; i++) world.Buttons[i] = Button(reader);
                }
                else if (key == 1)
                {
                    world.Axes = new AxisSpec[reader.ReadArray(HeliosAction.Most)];
                    for (int i = 0; i < world.Axes.Length; i++) world.Axes[i] = Axis(reader);
                }
                else if (key == 2) world.Steering = OneOf(reader, "trained", "prompt");
                else reader.Skip();
            }
            ControlKeys.Require(seen);
        }

        private static ButtonSpec Button(MsgPackReader reader)
        {
            var button = new ButtonSpec();
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(ButtonKeys);
                if (key >= 0) seen |= 1 << key;
                if (key == 0) button.Name = reader.ReadString(1, 64);
                else if (key == 1) button.Meaning = reader.ReadString(0, 2000);
                else reader.Skip();
            }
            ButtonKeys.Require(seen);
            return button;
        }

        private static AxisSpec Axis(MsgPackReader reader)
        {
            var axis = new AxisSpec();
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(AxisKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: axis.Name = reader.ReadString(1, 64); break;
                    case 1: axis.Meaning = reader.ReadString(0, 2000); break;
                    case 2: axis.Unit = reader.ReadString(0, 256); break;
                    case 3: axis.Low = reader.ReadFloat(); break;
                    case 4: axis.High = reader.ReadFloat(); break;
                    case 5: axis.IsSum = OneOf(reader, "sum", "latest") == "sum"; break;
                    default: reader.Skip(); break;
                }
            }
            AxisKeys.Require(seen);
            return axis;
        }

        private static void Memory(MsgPackReader reader)
        {
            if (reader.TryNil()) return;
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(MemoryKeys);
                if (key >= 0) seen |= 1 << key;
                if (key >= 0) reader.ReadCount();
                else reader.Skip();
            }
            MemoryKeys.Require(seen);
        }

        private static string[] Starts(MsgPackReader reader)
        {
            string[] starts = Strings(reader, 0, 256, 1, 64);
            foreach (string start in starts)
            {
                if (start != "prompt" && start != "image" && start != "video") throw new WireException("an unknown start");
            }
            return starts;
        }

        private static string[] Strings(MsgPackReader reader, int least, int most, int shortest, int longest)
        {
            var strings = new string[reader.ReadArray(most)];
            if (strings.Length < least) throw new WireException("an array is too short");
            for (int i = 0; i < strings.Length; i++) strings[i] = reader.ReadString(shortest, longest);
            return strings;
        }

        private static string OneOf(MsgPackReader reader, string first, string second)
        {
            string text = reader.ReadString(0, 64);
            if (text != first && text != second) throw new WireException("neither " + first + " nor " + second);
            return text;
        }

        private static double Positive(MsgPackReader reader)
        {
            double value = reader.ReadDuration();
            if (value <= 0) throw new WireException("a time of 0");
            return value;
        }
    }
}
