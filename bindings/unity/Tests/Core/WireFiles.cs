using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using NUnit.Framework;

namespace HeliosWorld.Tests
{
    /// <summary>The golden messages: bindings/wire, or the folder that HELIOS_WIRE names.</summary>
    internal static class WireFiles
    {
        public static string Folder()
        {
            string named = Environment.GetEnvironmentVariable("HELIOS_WIRE");
            if (!string.IsNullOrEmpty(named)) return named;
            Assert.Ignore("set HELIOS_WIRE to the folder bindings/wire of the helios-world repository");
            return null;
        }

        public static List<object> Index()
        {
            return (List<object>)new JsonReader(File.ReadAllText(Path.Combine(Folder(), "index.json"), Encoding.UTF8)).Read();
        }

        /// <summary>The parts of a message.</summary>
        public static List<byte[]> Parts(string file)
        {
            byte[] data = File.ReadAllBytes(Path.Combine(Folder(), file));
            var parts = new List<byte[]>();
            int at = 4;
            for (uint left = BitConverter.ToUInt32(data, 0); left > 0; left--)
            {
                var part = new byte[BitConverter.ToUInt32(data, at)];
                Buffer.BlockCopy(data, at + 4, part, 0, part.Length);
                at += 4 + part.Length;
                parts.Add(part);
            }
            return parts;
        }

        /// <summary>As a connection delivers it.</summary>
        public static ZmtpMessage Message(IList<byte[]> parts)
        {
            var collect = new Collector();
            var parser = new ZmtpParser(new FramePool(), collect);
            byte[] stream = Streams.Of(parts);
            parser.Feed(stream, 0, stream.Length);
            Assert.AreEqual(1, collect.Count);
            var message = new ZmtpMessage(new FramePool());
            Buffer.BlockCopy(parts[0], 0, message.Prefix, 0, Math.Min(parts[0].Length, 4));
            Buffer.BlockCopy(parts[1], 0, message.Header, 0, parts[1].Length);
            message.HeaderLength = parts[1].Length;
            for (int i = 2; i < parts.Count; i++)
            {
                message.Buffers[i - 2] = (byte[])parts[i].Clone();
                message.Lengths[i - 2] = parts[i].Length;
            }
            message.Parts = parts.Count;
            return message;
        }
    }

    /// <summary>Values as both JSON and msgpack have them: null, bool, long, double, string, list, dictionary.</summary>
    internal static class Values
    {
        public static object Unpack(byte[] header)
        {
            new MsgPackCheck().Header(header, 0, header.Length);
            var reader = new MsgPackReader(new StringCache());
            reader.Begin(header, 0, header.Length);
            object value = Read(reader);
            Assert.IsTrue(reader.IsAtEnd);
            return value;
        }

        public static byte[] Pack(object value)
        {
            var writer = new MsgPackWriter();
            Write(writer, value);
            var bytes = new byte[writer.Out.Count];
            Buffer.BlockCopy(writer.Out.Data, 0, bytes, 0, bytes.Length);
            return bytes;
        }

        /// <summary>One text per value, whatever the order of keys.</summary>
        public static string Canonical(object value)
        {
            var list = value as List<object>;
            var map = value as Dictionary<string, object>;
            if (list != null) return "[" + string.Join(",", list.ConvertAll(Canonical).ToArray()) + "]";
            if (map == null)
                return value == null ? "null" : value.GetType().Name + ":" + Convert.ToString(value, CultureInfo.InvariantCulture);
            var keys = new List<string>(map.Keys);
            keys.Sort(string.CompareOrdinal);
            return "{" + string.Join(",", keys.ConvertAll(key => key + "=" + Canonical(map[key])).ToArray()) + "}";
        }

        private static object Read(MsgPackReader reader)
        {
            byte kind = reader.Peek();
            if (reader.TryNil()) return null;
            if (kind == 0xC2 || kind == 0xC3) return reader.ReadBool();
            if (kind == 0xCA || kind == 0xCB) return reader.ReadFloat();
            if ((kind & 0xE0) == 0xA0 || (kind >= 0xD9 && kind <= 0xDB)) return reader.ReadString(0, 65536);
            if ((kind & 0xF0) == 0x90 || kind == 0xDC || kind == 0xDD)
            {
                var list = new List<object>();
                for (int left = reader.ReadArray(256); left > 0; left--) list.Add(Read(reader));
                return list;
            }
            if ((kind & 0xF0) != 0x80 && kind != 0xDE && kind != 0xDF) return reader.ReadInt(long.MinValue, long.MaxValue);
            var map = new Dictionary<string, object>();
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                string key = reader.ReadString(0, 65536);
                map.Add(key, Read(reader));
            }
            return map;
        }

        private static void Write(MsgPackWriter writer, object value)
        {
            var list = value as List<object>;
            var map = value as Dictionary<string, object>;
            if (value == null) writer.Nil();
            else if (value is bool) writer.Bool((bool)value);
            else if (value is long) writer.Int((long)value);
            else if (value is double) writer.Float((double)value);
            else if (value is string) writer.String((string)value);
            else if (list != null)
            {
                writer.Array(list.Count);
                foreach (object item in list) Write(writer, item);
            }
            else
            {
                writer.Map(map.Count);
                foreach (KeyValuePair<string, object> pair in map)
                {
                    writer.String(pair.Key);
                    Write(writer, pair.Value);
                }
            }
        }
    }

    /// <summary>Just enough JSON for index.json.</summary>
    internal sealed class JsonReader
    {
        private readonly string text;
        private int at;

        public JsonReader(string text)
        {
            this.text = text;
        }

        public object Read()
        {
            Space();
            char next = text[at];
            if (next == '"') return String();
            if (next == '[') return List();
            if (next == '{') return Map();
            if (Took("null")) return null;
            if (Took("true")) return true;
            if (Took("false")) return false;
            int start = at;
            while (at < text.Length && "+-.eE0123456789".IndexOf(text[at]) >= 0) at++;
            string number = text.Substring(start, at - start);
            if (number.IndexOfAny(new[] { '.', 'e', 'E' }) < 0) return long.Parse(number, CultureInfo.InvariantCulture);
            return double.Parse(number, CultureInfo.InvariantCulture);
        }

        private List<object> List()
        {
            var list = new List<object>();
            for (at++; !Took("]"); Took(",")) list.Add(Read());
            return list;
        }

        private Dictionary<string, object> Map()
        {
            var map = new Dictionary<string, object>();
            for (at++; !Took("}"); Took(","))
            {
                Space();
                string key = String();
                Assert.IsTrue(Took(":"));
                map.Add(key, Read());
            }
            return map;
        }

        private string String()
        {
            var letters = new StringBuilder();
            for (at++; text[at] != '"'; at++)
            {
                if (text[at] != '\\') letters.Append(text[at]);
                else if (text[++at] == 'n') letters.Append('\n');
                else if (text[at] != 'u') letters.Append(text[at]);
                else
                {
                    letters.Append((char)int.Parse(text.Substring(at + 1, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                    at += 4;
                }
            }
            at++;
            return letters.ToString();
        }

        private bool Took(string word)
        {
            Space();
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) return false;
            at += word.Length;
            return true;
        }

        private void Space()
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        }
    }
}
