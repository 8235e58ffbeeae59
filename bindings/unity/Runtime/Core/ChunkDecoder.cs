namespace HeliosWorld
{
    /// <summary>Reads CHUNK without allocating: names, prompts and ids come from a cache of strings.</summary>
    internal sealed class ChunkDecoder
    {
        public const long MaxFrameBytes = 1L << 28;

        private static readonly KeyTable Keys = new KeyTable(
            12, "sid", "epoch", "index", "first_frame", "frames", "height", "width", "encoding", "parts", "action",
            "prompt", "timing", "seq", "part", "of", "queue_ms", "input_ms", "applied", "client_time");
        private static readonly KeyTable ActionKeys = new KeyTable(0, "buttons", "axes");
        private static readonly KeyTable TimingKeys = new KeyTable(4, "encode", "denoise", "decode", "total");

        private readonly ChunkMessage message = new ChunkMessage { Type = MessageType.Chunk };
        private PartDecoder.Part part;

        public ChunkMessage Read(MsgPackReader reader, ZmtpMessage raw)
        {
            message.Clear();
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(Keys);
                if (key < 0) reader.Skip();
                else ReadValue(reader, key);
                if (key >= 0) seen |= 1 << key;
            }
            Keys.Require(seen);
            CheckFit(raw);
            return message;
        }

        private void ReadValue(MsgPackReader reader, int key)
        {
            switch (key)
            {
                case 0: message.Sid = reader.ReadHex(32); break;
                case 1: message.Epoch = reader.ReadCount(); break;
                case 2: message.Index = reader.ReadCount(); break;
                case 3: message.FirstFrame = reader.ReadCount(); break;
                case 4: message.Frames = (int)reader.ReadInt(1, 4096); break;
                case 5: message.Height = (int)reader.ReadInt(1, 8192); break;
                case 6: message.Width = (int)reader.ReadInt(1, 8192); break;
                case 7: ReadEncoding(reader); break;
                case 8: ReadPart(reader); break;
                case 9: ReadAction(reader); break;
                case 10: ReadPrompt(reader); break;
                case 11: ReadTiming(reader); break;
                case 12: message.Seq = reader.TryNil() ? 0 : reader.ReadSeq(); break;
                case 13: message.Part = reader.ReadCount(); break;
                case 14: message.Of = reader.ReadInt(1, 4096); break;
                case 15: message.QueueMs = reader.ReadDuration(); break;
                case 16: message.InputMs = reader.TryNil() ? double.NaN : reader.ReadDuration(); break;
                case 17: message.Applied = reader.TryNil() ? 0 : reader.ReadSeq(); break;
                default: message.ClientTime = reader.TryNil() ? double.NaN : reader.ReadFloat(); break;
            }
        }

        private void ReadEncoding(MsgPackReader reader)
        {
            string name = reader.ReadString(1, 64);
            message.IsForeign = name == "h264";
            if (name != "rgb24" && name != "jpeg" && !message.IsForeign) throw new WireException("an unknown encoding");
            message.Encoding = name == "rgb24" ? HeliosEncoding.Rgb24 : HeliosEncoding.Jpeg;
        }

        private void ReadPart(MsgPackReader reader)
        {
            if (reader.ReadArray(ZmtpMessage.MaxBuffers) != 1) throw new WireException("a chunk has one part");
            part = PartDecoder.Read(reader);
        }

        private void ReadAction(MsgPackReader reader)
        {
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(ActionKeys);
                if (key < 0) throw new WireException("an unknown key in an action");
                if (key == 0)
                {
                    for (int i = reader.ReadArray(HeliosAction.Most); i > 0; i--)
                        message.Action.AddButton(reader.ReadString(1, 64));
                    continue;
                }
                int axes = reader.ReadMap();
                if (axes > HeliosAction.Most) throw new WireException("an action of " + axes + " axes");
                for (; axes > 0; axes--) message.Action.AddAxis(reader.ReadString(1, 64), reader.ReadFloat());
            }
        }

        private void ReadPrompt(MsgPackReader reader)
        {
            message.PromptCount = reader.ReadArray(ChunkMessage.MaxPrompts);
            for (int i = 0; i < message.PromptCount; i++)
            {
                if (reader.ReadArray(2) != 2) throw new WireException("a prompt is a text and a share");
                message.Prompts[i] = reader.ReadString(0, 2000);
                message.Shares[i] = reader.ReadFloat(0, 1);
            }
        }

        private void ReadTiming(MsgPackReader reader)
        {
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(TimingKeys);
                if (key >= 0) seen |= 1 << key;
                if (key == 1) for (int i = reader.ReadArray(16); i > 0; i--) reader.ReadDuration();
                else if (key == 3) message.TotalMs = reader.ReadDuration();
                else if (key >= 0) reader.ReadDuration();
                else reader.Skip();
            }
            TimingKeys.Require(seen);
        }

        private void CheckFit(ZmtpMessage raw)
        {
            long bytes = (long)message.Frames * message.Height * message.Width * 3;
            if (bytes > MaxFrameBytes || message.Part >= message.Of) throw new WireException("frames beyond the limits");
            bool isRaw = !message.IsForeign && message.Encoding == HeliosEncoding.Rgb24;
            if (isRaw != part.IsArray) throw new WireException("a part that does not fit the encoding");
            if (isRaw && !IsShape()) throw new WireException("a part of another shape than the frames");
            if (raw.BufferCount != 1 || raw.Lengths[0] != (isRaw ? bytes : part.Bytes))
                throw new WireException("a buffer of another length than its part");
        }

        private bool IsShape()
        {
            return part.Dimensions == 4 && part.D0 == message.Frames && part.D1 == message.Height
                && part.D2 == message.Width && part.D3 == 3;
        }
    }
}
