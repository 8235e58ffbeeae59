using System;

namespace HeliosWorld
{
    /// <summary>From the parts of a message to its values, with every check of the protocol. Used by one thread.</summary>
    internal sealed class MessageDecoder
    {
        private static readonly KeyTable TypeKey = new KeyTable(1, "t");
        private static readonly KeyTable ClosedKeys = new KeyTable(2, "sid", "seq");
        private static readonly KeyTable StateKeys = new KeyTable(5, "sid", "seq", "epoch", "index", "parts");
        private static readonly KeyTable DoneKeys = new KeyTable(4, "sid", "seq", "epoch", "index", "path");
        private static readonly KeyTable PongKeys =
            new KeyTable(4, "n", "server_time", "queue", "sessions", "busy_since", "client_time");
        private static readonly KeyTable ErrorKeys =
            new KeyTable(3, "code", "message", "retryable", "seq", "sid", "details");
        private static readonly KeyTable ByeKeys = new KeyTable(2, "reason", "resumable", "sid");

        private readonly StringCache strings = new StringCache();
        private readonly MsgPackCheck check = new MsgPackCheck();
        private readonly MsgPackReader reader;
        private readonly ChunkDecoder chunks = new ChunkDecoder();
        private readonly PongMessage pong = new PongMessage();

        public MessageDecoder()
        {
            reader = new MsgPackReader(strings);
        }

        /// <summary>The message, valid until the next call; null for a type that is not known.</summary>
        /// <exception cref="WireException">it cannot be read.</exception>
        public ServerMessage Decode(ZmtpMessage raw)
        {
            if (raw.IsUnreadable || raw.Parts < 2) throw new WireException("a message out of the limits");
            if (raw.Prefix[0] != 'H' || raw.Prefix[1] != 'W' || raw.Prefix[2] != 1) throw new WireException("another prefix");
            check.Header(raw.Header, 0, raw.HeaderLength);
            reader.Begin(raw.Header, 0, raw.HeaderLength);
            string type = FindType();
            reader.Begin(raw.Header, 0, raw.HeaderLength);
            ServerMessage message = Read(type, raw);
            if (message == null) return null;
            if (message.Type != MessageType.Chunk && message.Type != MessageType.State && raw.BufferCount != 0)
                throw new WireException("buffers that no part describes");
            message.Raw = raw;
            return message;
        }

        private ServerMessage Read(string type, ZmtpMessage raw)
        {
            switch (type)
            {
                case "CHUNK": return chunks.Read(reader, raw);
                case "PONG": return Pong();
                case "WELCOME": return WorldDecoder.Welcome(reader);
                case "OPENED": return WorldDecoder.Opened(reader);
                case "CLOSED": return Closed();
                case "STATE": return State(raw);
                case "DONE": return Done();
                case "ERROR": return Error();
                case "BYE": return Bye();
                default: return null;
            }
        }

        private string FindType()
        {
            int count = reader.ReadMap();
            for (int i = 0; i < count; i++)
            {
                if (reader.ReadKey(TypeKey) == 0) return reader.ReadString(0, 256);
                reader.Skip();
            }
            throw new WireException("a message without a type");
        }

        private ServerMessage Closed()
        {
            var message = new ServerMessage { Type = MessageType.Closed };
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(ClosedKeys);
                if (key >= 0) seen |= 1 << key;
                if (key == 0) message.Sid = reader.ReadHex(32);
                else if (key == 1) message.Seq = reader.ReadSeq();
                else reader.Skip();
            }
            ClosedKeys.Require(seen);
            return message;
        }

        private ServerMessage State(ZmtpMessage raw)
        {
            var message = new ServerMessage { Type = MessageType.State };
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(StateKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: message.Sid = reader.ReadHex(32); break;
                    case 1: message.Seq = reader.ReadSeq(); break;
                    case 2: message.Epoch = reader.ReadCount(); break;
                    case 3: message.Index = reader.ReadCount(); break;
                    case 4: ReadStatePart(raw); break;
                    default: reader.Skip(); break;
                }
            }
            StateKeys.Require(seen);
            return message;
        }

        private void ReadStatePart(ZmtpMessage raw)
        {
            if (reader.ReadArray(1) != 1) throw new WireException("a state without its part");
            PartDecoder.Part part = PartDecoder.Read(reader);
            if (part.IsArray || raw.BufferCount != 1 || part.Bytes != raw.Lengths[0])
                throw new WireException("a state's part that is not its buffer");
        }

        private ServerMessage Done()
        {
            var message = new DoneMessage { Type = MessageType.Done };
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(DoneKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: message.Sid = reader.ReadHex(32); break;
                    case 1: message.Seq = reader.ReadSeq(); break;
                    case 2: message.Epoch = reader.ReadCount(); break;
                    case 3: message.Index = reader.ReadCount(); break;
                    case 4: message.Path = reader.TryNil() ? null : reader.ReadString(0, 4096); break;
                    default: reader.Skip(); break;
                }
            }
            DoneKeys.Require(seen);
            return message;
        }

        private ServerMessage Pong()
        {
            pong.Type = MessageType.Pong;
            pong.IsBusy = false;
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(PongKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: pong.Seq = reader.ReadCount(); break;
                    case 1: reader.ReadFloat(); break;
                    case 2: pong.Queue = reader.ReadCount(); break;
                    case 3: reader.ReadCount(); break;
                    case 4: pong.IsBusy = !reader.TryNil() && reader.ReadDuration() >= 0; break;
                    case 5: if (!reader.TryNil()) reader.ReadFloat(); break;
                    default: reader.Skip(); break;
                }
            }
            PongKeys.Require(seen);
            return pong;
        }

        private ServerMessage Error()
        {
            var message = new ErrorMessage { Type = MessageType.Error };
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(ErrorKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: message.Code = reader.ReadString(1, 64); break;
                    case 1: message.Text = reader.ReadString(0, 4096); break;
                    case 2: message.Retryable = reader.ReadBool(); break;
                    case 3: message.Seq = reader.TryNil() ? 0 : reader.ReadSeq(); break;
                    case 4: message.Sid = reader.TryNil() ? null : reader.ReadHex(32); break;
                    case 5: WorldDecoder.Details(reader, message); break;
                    default: reader.Skip(); break;
                }
            }
            ErrorKeys.Require(seen);
            return message;
        }

        private ServerMessage Bye()
        {
            var message = new ByeMessage { Type = MessageType.Bye };
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(ByeKeys);
                if (key >= 0) seen |= 1 << key;
                switch (key)
                {
                    case 0: message.Reason = reader.ReadString(1, 64); break;
                    case 1: message.Resumable = reader.ReadBool(); break;
                    case 2: message.Sid = reader.TryNil() ? null : reader.ReadHex(32); break;
                    default: reader.Skip(); break;
                }
            }
            ByeKeys.Require(seen);
            return message;
        }
    }

    /// <summary>The description of one buffer.</summary>
    internal static class PartDecoder
    {
        private static readonly KeyTable Keys = new KeyTable(0, "dtype", "shape", "bytes");

        public struct Part
        {
            public bool IsArray;
            public long Bytes;
            public int Dimensions;
            public long D0, D1, D2, D3;
        }

        public static Part Read(MsgPackReader reader)
        {
            var part = new Part();
            int seen = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int key = reader.ReadKey(Keys);
                if (key < 0) throw new WireException("an unknown key in a part");
                seen |= 1 << key;
                if (key == 0 && reader.ReadString(0, 256) != "u1") throw new WireException("an unknown dtype");
                if (key == 1) ReadShape(reader, ref part);
                if (key == 2) part.Bytes = reader.ReadCount();
            }
            part.IsArray = seen != 4;
            if (seen != 2 && seen != 3 && seen != 4) throw new WireException("a part is neither an array nor bytes");
            return part;
        }

        private static void ReadShape(MsgPackReader reader, ref Part part)
        {
            part.Dimensions = reader.ReadArray(4);
            if (part.Dimensions < 1) throw new WireException("a shape without numbers");
            part.D0 = reader.ReadCount();
            if (part.Dimensions > 1) part.D1 = reader.ReadCount();
            if (part.Dimensions > 2) part.D2 = reader.ReadCount();
            if (part.Dimensions > 3) part.D3 = reader.ReadCount();
        }
    }
}
