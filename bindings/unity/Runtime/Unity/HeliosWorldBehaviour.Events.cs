using System;
using UnityEngine;
using UnityEngine.Events;

namespace HeliosWorld
{
    // What comes from the client, turned into events and frames. What changes is changed before anyone is told.
    public sealed partial class HeliosWorldBehaviour
    {
        const string ClientName = "helios-world-unity/0.1.0";

        long shownIndex = -1, shownEpoch = -1;
        long framesShown, framesRefused;
        string shownPrompt = "";

        internal void Handle(ref HeliosEvent what)
        {
            switch (what.Kind)
            {
                case HeliosEventKind.Connected: OnConnected(); break;
                case HeliosEventKind.Disconnected: OnDisconnected(what.Text); break;
                case HeliosEventKind.Resumed: OnResumed(); break;
                case HeliosEventKind.Opened: OnOpened(); break;
                case HeliosEventKind.Chunk: OnChunk(what.Chunk); break;
                case HeliosEventKind.Closed: OnSessionOver(what.Text); break;
                case HeliosEventKind.Error: OnFailure(ref what); break;
                default: OnAnswer(ref what); break;
            }
        }

        void OnConnected()
        {
            string server = link.Client.Server.Server;
            Raise(onConnected, server);
            if (Connected != null) Connected(server);
        }

        void OnDisconnected(string why)
        {
            if (State == HeliosWorldState.Open)
            {
                State = HeliosWorldState.Resuming;
                tellLossAt = HeliosClock.Now + timeout;
                Debug.LogWarning("Helios: the connection is lost (" + why + "); it is sought again", this);
            }
            Raise(onDisconnected, why);
            if (Disconnected != null) Disconnected(why);
        }

        // The session may still be there when the server is back, so it is not given up; Close does that.
        void TellLoss()
        {
            tellLossAt = double.PositiveInfinity;
            Report(new HeliosException("connection", "no connection to " + address + " for " + timeout
                + " s; the session is resumed when there is one", true));
        }

        void OnResumed()
        {
            if (State == HeliosWorldState.Resuming) State = HeliosWorldState.Open;
            Raise(onResumed);
            if (Resumed != null) Resumed();
        }

        void OnOpened()
        {
            HeliosRequest request = opening;
            opening = null;
            State = HeliosWorldState.Open;
            player.Begin(Session.World.Fps);
            if (beginsByItself) ResetWorld();
            try
            {
                Raise(onOpened);
                if (Opened != null && World != null) Opened(World);
            }
            finally // a fault in a handler is no reason for others to wait for ever
            {
                if (request != null) request.End(null);
            }
        }

        void OnChunk(HeliosChunk chunk)
        {
            HeliosRequest request = requests.Take();
            if (chunk != null) player.Add(chunk, HeliosClock.Now);
            try
            {
                if (chunk != null) Tell(chunk);
            }
            finally
            {
                if (request != null) request.End(null);
            }
        }

        void OnAnswer(ref HeliosEvent what)
        {
            HeliosRequest request = requests.Take();
            if (what.Kind == HeliosEventKind.Forked) Hand(what.Fork, request);
            if (what.Kind == HeliosEventKind.Restored) player.Cut();
            if (request == null) return;
            if (what.Bytes != null) request.Bytes = what.Bytes;
            if (what.Kind == HeliosEventKind.Recorded) request.Path = what.Text;
            if (!request.IsDone) request.End(null);
        }

        void Hand(HeliosSession fork, HeliosRequest request)
        {
            HeliosWorldBehaviour heir = request == null ? null : request.Into;
            if (heir != null && heir.link == null && heir.isActiveAndEnabled)
            {
                heir.Adopt(link, fork);
                return;
            }
            if (fork.IsOpen) fork.BeginClose();
            var error = new HeliosException("usage", "the component for the fork is open, disabled or destroyed by now", false);
            if (request != null) Fail(request, error);
            else Report(error);
        }

        void OnSessionOver(string why)
        {
            Drop(why ?? "the session has ended");
            if (autostart && isActiveAndEnabled && link == null) retryAt = HeliosClock.Now + RetrySeconds;
        }

        void OnFailure(ref HeliosEvent what)
        {
            if (opening != null && what.IsAnswer) GiveUp(what.Error);
            else if (Session != null && !Session.IsOpen) Lose(what.Error);
            else if (what.IsAnswer && requests.Current != null) Fail(requests.Take(), what.Error);
            else Report(what.Error);
        }

        // The world is closed before anyone is told why, so that a handler can open it anew.
        void Lose(HeliosException error)
        {
            HeliosRequest request = requests.Take();
            if (link != null) OnSessionOver(error.Message);
            if (request != null) Fail(request, error);
            else Report(error);
        }

        void Fail(HeliosRequest request, HeliosException error)
        {
            Report(error);
            request.End(error);
        }

        void Report(HeliosException error)
        {
            Debug.LogError(HeliosAdvice.Line(error), this);
            Raise(onError, error.Code + ": " + error.Message);
            if (Error != null) Error(error);
        }

        void ShowDue(double now)
        {
            HeliosFrame frame;
            HeliosStream stream = Session.Stream;
            bool isNew = stream == null ? player.Poll(now, out frame) : Stream(stream, now, out frame);
            if (isNew) Show(ref frame, stream != null);
        }

        bool Stream(HeliosStream stream, double now, out HeliosFrame frame)
        {
            SampleInput(sampled);
            HeliosInputs inputs = stream.Inputs;
            foreach (ButtonSpec button in World.Buttons) inputs.SetButton(button.Name, sampled.Holds(button.Name));
            foreach (AxisSpec axis in World.Axes)
            {
                double value = sampled.Axis(axis.Name);
                if (axis.IsSum) inputs.AddAxis(axis.Name, value);
                else inputs.SetAxis(axis.Name, value);
            }
            return stream.Update(now, out frame);
        }

        void SampleInput(HeliosAction action)
        {
            action.Clear();
            IHeliosInput source = InputSource;
            if (!inputEnabled) return;
            if (source == null) InputSource = source = GetComponent<IHeliosInput>();
            if (source != null) source.Sample(World, action);
        }

        // A server refuses a step with a value out of range; a stick and a key together may well give one.
        void SampleStep(HeliosAction action)
        {
            SampleInput(action);
            foreach (AxisSpec axis in World.Axes)
            {
                double value = action.Axis(axis.Name);
                if (value != 0) action.Set(axis.Name, axis.Clip(value));
            }
        }

        void Show(ref HeliosFrame frame, bool isStream)
        {
            HeliosChunk chunk = frame.Chunk;
            bool begins = chunk.Index != shownIndex || chunk.Epoch != shownEpoch;
            shownIndex = chunk.Index;
            shownEpoch = chunk.Epoch;
            if (!frames.Show(chunk, frame.Number, filter)) Refuse(chunk, frame.Number);
            else framesShown++;
            if (begins && isStream) Tell(chunk);
            if (begins) NoticePrompt(chunk);
            Raise(onFrameReady, Texture);
            if (FrameReady != null) FrameReady(Texture);
        }

        // Once is enough for the console; the figures count on.
        void Refuse(HeliosChunk chunk, int number)
        {
            if (framesRefused++ > 0) return;
            string size = chunk.Width + " x " + chunk.Height;
            Report(new HeliosException("protocol", "frame " + number + " of chunk " + chunk.Index + " is no readable " + chunk.Encoding
                + " picture of " + size + "; it is not shown", false));
        }

        void Tell(HeliosChunk chunk)
        {
            Raise(onChunkReady);
            if (ChunkReady != null) ChunkReady(chunk);
        }

        void NoticePrompt(HeliosChunk chunk)
        {
            int most = -1;
            for (int i = 0; i < chunk.PromptCount; i++)
                if (most < 0 || chunk.PromptShare(i) > chunk.PromptShare(most)) most = i;
            string text = most < 0 ? "" : chunk.PromptText(most);
            if (text == shownPrompt) return;
            shownPrompt = text;
            Raise(onPromptChanged, text);
            if (PromptChanged != null) PromptChanged(text);
        }

        HeliosWorldStatistics Figures()
        {
            HeliosStream stream = Session == null ? null : Session.Stream;
            HeliosStatistics wire = link == null ? default(HeliosStatistics) : link.Client.Statistics;
            return new HeliosWorldStatistics
            {
                RoundTripMs = wire.RoundTripMs,
                InputToFrameMs = stream == null ? double.NaN : stream.InputToFrameMs,
                Underruns = stream == null ? 0 : stream.Underruns,
                FramesShown = framesShown,
                FramesRefused = framesRefused,
                MissingChunks = stream == null ? 0 : stream.MissingChunks,
                DroppedMessages = wire.DroppedMessages,
                Resumes = wire.Resumes,
                BytesReceived = wire.BytesReceived
            };
        }

        // A component that code has made has no events set in the inspector, and may have null there.
        static void Raise(UnityEvent happened) { if (happened != null) happened.Invoke(); }
        static void Raise(UnityEvent<string> happened, string text) { if (happened != null) happened.Invoke(text); }
        static void Raise(UnityEvent<Texture> happened, Texture texture) { if (happened != null) happened.Invoke(texture); }
    }
}
