using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Threading;
using HeliosWorld;

/// <summary>What the probe can do; one client, sessions and snapshots by name.</summary>
internal sealed class Commands : IDisposable
{
    private readonly Dictionary<string, HeliosSession> sessions = new Dictionary<string, HeliosSession>();
    private readonly Dictionary<string, byte[]> snapshots = new Dictionary<string, byte[]>();
    private HeliosClient client;
    private HeliosChunk newest;
    private string name = "main";
    private double timeout = 20, repeat = 5;

    public void Dispose()
    {
        Disconnect();
    }

    public Json Run(Arguments a)
    {
        switch (a.Command)
        {
            case "connect": return Connect(a);
            case "open": return Open(a);
            case "reset": return Chunk(Session().Reset(a.Whole("seed", 0), a.Text("prompt", null)));
            case "step": return Chunk(Session().Step(a.Action(), a.Text("prompt", null)));
            case "prompt": return Done(() => Session().SetPrompt(a.Text("text", null)));
            case "snapshot": return Snapshot(a.Text("name", "a"));
            case "restore": return Done(() => Session().Restore(Find(snapshots, a.Text("name", "a"), "snapshot")));
            case "fork": return Fork(a.Text("name", "fork"));
            case "use": return Use(a.Text("name", "main"));
            case "save": return Save(a);
            case "load": return Load(a);
            case "pixels": return Pixels((int)a.Whole("frame", 0), a.Text("path", null));
            case "record": return Ok("recorded").Add("path", Session().Record(a.Text("on", "1") == "1"));
            case "stream": return Measures.Stream(Client(), Session(), a);
            case "bench": return Measures.Bench(Client(), Session(), a, TakeNewest);
            case "fuzz": return Measures.Fuzz(a);
            case "status": return Status();
            case "sleep": return Sleep((int)a.Whole("ms", 100));
            case "close": return Close();
            case "disconnect": return Disconnect();
            case "set": return Set(a);
            default: throw new HeliosException("usage", "unknown command '" + a.Command + "'", false);
        }
    }

    public static Json Ok(string what)
    {
        return new Json().Add("ok", what);
    }

    private Json Connect(Arguments a)
    {
        Disconnect();
        double seconds = a.Number("timeout", timeout);
        client = new HeliosClient(new HeliosClientOptions
        {
            Address = a.Text("address", "tcp://127.0.0.1:5555"),
            Name = "helios-world-probe/0.1",
            TimeoutSeconds = seconds,
            RepeatSeconds = repeat
        });
        client.Connect();
        client.SetTimes(timeout, repeat);
        HeliosServerInfo server = client.Server;
        return Ok("connected").Add("server", server.Server).Add("version", server.Version).Add("worlds", server.Worlds);
    }

    private Json Open(Arguments a)
    {
        var options = new HeliosOpenOptions
        {
            World = a.Text("world", null),
            Mode = HeliosNames.ParseMode(a.Text("mode", "lockstep")),
            Encoding = HeliosNames.ParseEncoding(a.Text("encoding", "rgb24")),
            Quality = (int)a.Whole("quality", 90),
            Progressive = a.Text("progressive", "0") == "1",
            Record = a.Text("record", "0") == "1"
        };
        HeliosSession session = Client().Open(options);
        name = "main";
        sessions[name] = session;
        return Opened(session);
    }

    private static Json Opened(HeliosSession session)
    {
        WorldSpec world = session.World;
        return Ok("opened").Add("sid", session.Id).Add("parent", session.Parent).Add("world", world.Name)
            .Add("fps", world.Fps).Add("height", world.Height).Add("width", world.Width)
            .Add("frames_per_chunk", world.FramesPerChunk)
            .Add("buttons", world.Buttons.Select(button => button.Name))
            .Add("axes", world.Axes.Select(axis => axis.Name));
    }

    private Json Chunk(HeliosChunk chunk)
    {
        if (chunk == null) return Ok("chunk").Add("index", 0).Add("epoch", Session().Epoch); // the stream shows it
        TakeNewest(chunk);
        var axes = new Json();
        HeliosAction action = chunk.Action;
        for (int i = 0; i < action.AxisCount; i++) axes.Add(action.AxisName(i), action.AxisValue(i));
        return Ok("chunk").Add("index", chunk.Index).Add("epoch", chunk.Epoch).Add("first_frame", chunk.FirstFrame)
            .Add("frames", chunk.Frames).Add("height", chunk.Height).Add("width", chunk.Width)
            .Add("encoding", HeliosNames.Of(chunk.Encoding)).Add("sha256", Hash(chunk)).Add("messages", chunk.BufferCount)
            .Add("prompt", Enumerable.Range(0, chunk.PromptCount)
                .Select(i => new object[] { chunk.PromptText(i), chunk.PromptShare(i) }))
            .Add("buttons", Enumerable.Range(0, action.ButtonCount).Select(action.Button)).Add("axes", axes);
    }

    private void TakeNewest(HeliosChunk chunk)
    {
        if (newest != null) newest.Dispose();
        newest = chunk;
    }

    private static string Hash(HeliosChunk chunk)
    {
        using (SHA256 sha = SHA256.Create())
        {
            for (int i = 0; i < chunk.BufferCount; i++)
            {
                ArraySegment<byte> buffer = chunk.GetBuffer(i);
                sha.TransformBlock(buffer.Array, buffer.Offset, buffer.Count, null, 0);
            }
            sha.TransformFinalBlock(new byte[0], 0, 0);
            return Hex(sha.Hash);
        }
    }

    private static string Hex(byte[] bytes)
    {
        return BitConverter.ToString(bytes).Replace("-", "").ToLowerInvariant();
    }

    private static string Hash(byte[] data, int offset, int count)
    {
        using (SHA256 sha = SHA256.Create()) return Hex(sha.ComputeHash(data, offset, count));
    }

    private Json Done(Action action)
    {
        action();
        return Ok("done").Add("index", Session().Index).Add("epoch", Session().Epoch);
    }

    private Json Snapshot(string key)
    {
        byte[] bytes = Session().Snapshot();
        snapshots[key] = bytes;
        return Ok("state").Add("bytes", bytes.Length).Add("sha256", Hash(bytes, 0, bytes.Length)).Add("index", Session().Index);
    }

    private Json Fork(string key)
    {
        HeliosSession fork = Session().Fork();
        sessions[key] = fork;
        return Opened(fork);
    }

    private Json Use(string key)
    {
        Find(sessions, key, "session");
        name = key;
        return Ok("using").Add("name", key);
    }

    private Json Save(Arguments a)
    {
        File.WriteAllBytes(a.Text("path", ""), Find(snapshots, a.Text("name", "a"), "snapshot"));
        return Ok("saved");
    }

    private Json Load(Arguments a)
    {
        snapshots[a.Text("name", "a")] = File.ReadAllBytes(a.Text("path", ""));
        return Ok("loaded");
    }

    private Json Pixels(int frame, string path)
    {
        if (newest == null) throw new HeliosException("usage", "there is no chunk yet", false);
        if (newest.Encoding != HeliosEncoding.Rgb24)
            throw new HeliosException("usage", "the core leaves jpeg to the engine's decoder", false);
        if (frame < 0 || frame >= newest.Frames)
            throw new HeliosException("usage", "the chunk has " + newest.Frames + " frames, and none of number " + frame, false);
        ArraySegment<byte> pixels = newest.GetFrame(frame);
        if (path != null)
        {
            using (FileStream file = File.Create(path)) file.Write(pixels.Array, pixels.Offset, pixels.Count);
        }
        return Ok("pixels").Add("sha256", Hash(pixels.Array, pixels.Offset, pixels.Count));
    }

    private Json Status()
    {
        var answer = Ok("status");
        if (client == null) return answer.Add("state", "closed").Add("resumes", 0).Add("dropped", 0).Add("bytes", 0);
        HeliosStatistics now = client.Statistics;
        return answer.Add("state", client.State.ToString().ToLowerInvariant()).Add("resumes", now.Resumes)
            .Add("dropped", now.DroppedMessages).Add("bytes", now.BytesReceived).Add("connections", now.Connections);
    }

    private static Json Sleep(int milliseconds)
    {
        Thread.Sleep(milliseconds);
        return Ok("slept");
    }

    private Json Close()
    {
        Session().Close();
        return Ok("closed");
    }

    private Json Disconnect()
    {
        if (newest != null) newest.Dispose();
        newest = null;
        sessions.Clear();
        if (client != null)
        {
            client.Dispose();
            client.WaitEnded(2000);
        }
        client = null;
        return Ok("disconnected");
    }

    private Json Set(Arguments a)
    {
        timeout = a.Number("timeout", timeout);
        repeat = a.Number("repeat_s", repeat);
        if (client != null) client.SetTimes(timeout, repeat);
        return Ok("set");
    }

    private HeliosClient Client()
    {
        if (client == null) throw new HeliosException("usage", "not connected; say connect first", false);
        return client;
    }

    private HeliosSession Session()
    {
        Client();
        return Find(sessions, name, "session");
    }

    private static T Find<T>(Dictionary<string, T> all, string key, string what)
    {
        T value;
        if (all.TryGetValue(key, out value)) return value;
        throw new HeliosException("usage", "there is no " + what + " '" + key + "'", false);
    }
}
