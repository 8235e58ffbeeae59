using System;
using System.Collections.Generic;
using System.Reflection;
using System.Threading;
using HeliosWorld;

/// <summary>The long commands: streaming, measuring, and meeting hostile servers.</summary>
internal static class Measures
{
    /// <summary>Runs stream mode as a game does, 250 times a second.</summary>
    public static Json Stream(HeliosClient client, HeliosSession session, Arguments a)
    {
        HeliosStream stream = session.Stream;
        if (stream == null) throw new HeliosException("usage", "the session is not in stream mode: open mode=stream", false);
        long chunks = stream.ChunksShown, frames = stream.FramesShown, missing = stream.MissingChunks;
        int underruns = stream.Underruns;
        foreach (string button in a.Buttons()) stream.Inputs.SetButton(button, true);
        if (a.Text("prompt", null) != null) stream.Inputs.SetPrompt(a.Text("prompt", null));
        var indices = new List<long>();
        HeliosException failure = null;
        double until = HeliosClock.Now + a.Number("seconds", 2);
        while (HeliosClock.Now < until && failure == null)
        {
            HeliosFrame frame;
            if (stream.Update(HeliosClock.Now, out frame) && frame.Number == 0) indices.Add(frame.Chunk.Index);
            HeliosEvent e;
            while (client.TryPoll(out e)) failure = e.Kind == HeliosEventKind.Error && e.Session == session ? e.Error : failure;
            Thread.Sleep(4);
        }
        if (failure != null) throw failure;
        return Commands.Ok("stream").Add("chunks", stream.ChunksShown - chunks)
            .Add("frames_shown", stream.FramesShown - frames).Add("underruns", stream.Underruns - underruns)
            .Add("missing", stream.MissingChunks - missing).Add("applied", stream.Applied)
            .Add("input_ms", stream.InputMs).Add("input_to_frame_ms", stream.InputToFrameMs).Add("indices", indices);
    }

    /// <summary>
    /// Steps in lockstep. Bytes per frame are the growth of the whole managed heap, of all threads, over the measured
    /// part; where a collection fell into it they are the calling thread's own count.
    /// </summary>
    public static Json Bench(HeliosClient client, HeliosSession session, Arguments a, Action<HeliosChunk> keep)
    {
        int warmup = (int)a.Whole("warmup", 10), chunks = (int)a.Whole("chunks", 60);
        var action = new HeliosAction();
        var times = new double[chunks];
        for (int i = 0; i < warmup; i++) session.Step(action).Dispose();
        HeliosEvent e;
        while (client.TryPoll(out e)) { }
        GC.Collect();
        for (int i = 0; i < Math.Min(warmup, 2); i++) session.Step(action).Dispose();
        long frames = 0, own = OwnBytes(), heap = GC.GetTotalMemory(false);
        int collections = GC.CollectionCount(0);
        double begin = HeliosClock.Now;
        for (int i = 0; i < chunks; i++)
        {
            double start = HeliosClock.Now;
            HeliosChunk chunk = session.Step(action);
            times[i] = 1000 * (HeliosClock.Now - start);
            frames += chunk.Frames;
            chunk.Dispose();
        }
        double seconds = HeliosClock.Now - begin;
        bool isWhole = GC.CollectionCount(0) == collections;
        own = OwnBytes() - own;
        int collected = GC.CollectionCount(0) - collections;
        double allocated = isWhole ? GC.GetTotalMemory(false) - heap : own;
        return Commands.Ok("bench").Add("round_trip_ms", times).Add("frames", frames).Add("seconds", seconds)
            .Add("allocated_bytes_per_frame", Math.Max(allocated, 0) / Math.Max(frames, 1)).Add("all_threads", isWhole)
            .Add("collections", collected).Add("own_bytes", own)
            .Add("buffers_allocated", client.Statistics.BuffersAllocated)
            .Add("main_ms_per_frame", null).Add("decode_ms_per_frame", null);
    }

    /// <summary>Connects to a server that lies, again and again.</summary>
    public static Json Fuzz(Arguments a)
    {
        double until = HeliosClock.Now + a.Number("seconds", 10);
        long wanted = a.Whole("messages", 1000);
        long connections = 0, messages = 0, dropped = 0, errors = 0, chunks = 0;
        while (HeliosClock.Now < until && messages < wanted)
        {
            var options = new HeliosClientOptions
            {
                Address = a.Text("address", ""), TimeoutSeconds = 1, RepeatSeconds = 0.5, HandshakeSeconds = 1
            };
            using (var client = new HeliosClient(options))
            {
                try
                {
                    Attempt(client, ref chunks, until);
                }
                catch (HeliosException)
                {
                    errors++;
                }
                HeliosStatistics seen = client.Statistics;
                connections += Math.Max(seen.Connections, 1);
                messages += seen.MessagesReceived;
                dropped += seen.DroppedMessages;
                client.Dispose();
                if (!client.WaitEnded(2000)) throw new InvalidOperationException("a thread goes on after Dispose");
            }
        }
        return Commands.Ok("fuzz").Add("connections", connections).Add("messages", messages).Add("dropped", dropped)
            .Add("errors", errors).Add("chunks", chunks);
    }

    private static void Attempt(HeliosClient client, ref long chunks, double until)
    {
        client.Connect();
        HeliosSession session = client.Open(new HeliosOpenOptions());
        Count(session.Reset(7), ref chunks);
        for (int i = 0; i < 20 && HeliosClock.Now < until; i++) Count(session.Step(), ref chunks);
        session.Close();
    }

    private static void Count(HeliosChunk chunk, ref long chunks)
    {
        chunks++;
        for (int k = 0; k < chunk.Frames; k++) chunk.GetFrame(k);
        chunk.Dispose();
    }

    private static readonly Func<long> ownBytes = FindOwnBytes();

    private static long OwnBytes()
    {
        return ownBytes();
    }

    private static Func<long> FindOwnBytes()
    {
        MethodInfo method = typeof(GC).GetMethod("GetAllocatedBytesForCurrentThread");
        return method == null ? () => 0 : (Func<long>)Delegate.CreateDelegate(typeof(Func<long>), method);
    }
}
