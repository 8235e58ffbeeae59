using System;
using UnityEngine;

namespace HeliosWorld
{
    // From OnEnable to OnDestroy. No state is static, and what a domain reload forgets is made anew by OnEnable.
    public sealed partial class HeliosWorldBehaviour
    {
        const double RetrySeconds = 1;

        readonly RequestQueue requests = new RequestQueue();
        readonly FrameTexture frames = new FrameTexture();
        readonly LockstepPlayer player = new LockstepPlayer();
        readonly HeliosAction sampled = new HeliosAction();
        HeliosLink link;
        HeliosRequest opening;
        double retryAt = double.PositiveInfinity, tellLossAt = double.PositiveInfinity;
        bool beginsByItself;
        bool isPaused;

        void OnEnable() { if (autostart) Begin(true); }

        void OnDisable() { Close(); }

        void OnApplicationQuit() { Close(); }

        void OnDestroy()
        {
            Close();
            frames.Destroy();
        }

        void OnApplicationPause(bool paused)
        {
            if (paused == isPaused) return;
            isPaused = paused;
            HeliosStream stream = Session == null ? null : Session.Stream;
            if (stream == null) return;
            if (paused) stream.Pause(HeliosClock.Now);
            else stream.Resume(HeliosClock.Now);
        }

        void Update() { Tick(HeliosClock.Now); }

        internal void Tick(double now)
        {
            if (link == null && now >= retryAt) Begin(true);
            if (link == null) return;
            link.Pump();
            if (State == HeliosWorldState.Resuming && now >= tellLossAt) TellLoss();
            if (link == null || isPaused) return; // a handler may have closed the world
            SendNext();
            if (State == HeliosWorldState.Open || State == HeliosWorldState.Resuming) ShowDue(now);
        }

        /// <summary>End the session, and wait until its threads have ended. For the editor, before code is reloaded.</summary>
        /// <returns>Whether they have.</returns>
        internal bool CloseAndWait(int milliseconds)
        {
            HeliosClient client = link == null ? null : link.Client;
            Close();
            return client == null || client.WaitEnded(milliseconds);
        }

        HeliosRequest Begin(bool byItself)
        {
            if (opening != null) return opening;
            var request = new HeliosRequest(HeliosRequest.Kind.Open);
            if (link != null)
            {
                request.End(null);
                return request;
            }
            retryAt = double.PositiveInfinity;
            beginsByItself = byItself;
            opening = request;
            try { Connect(); }
            catch (HeliosException error) { GiveUp(error); }
            return request;
        }

        void Connect()
        {
            link = new HeliosLink(new HeliosClientOptions { Address = address, Name = ClientName, TimeoutSeconds = timeout });
            link.Join(this);
            State = HeliosWorldState.Connecting;
            link.Client.BeginConnect();
            OpenSession();
        }

        void OpenSession()
        {
            Session = link.Client.BeginOpen(new HeliosOpenOptions
            {
                World = string.IsNullOrEmpty(world) ? null : world,
                Mode = mode,
                Encoding = encoding,
                Quality = quality,
                Progressive = progressive
            });
        }

        /// <summary>A session that another component has forked.</summary>
        void Adopt(HeliosLink shared, HeliosSession fork)
        {
            link = shared;
            link.Join(this);
            Session = fork;
            State = HeliosWorldState.Open;
            player.Begin(fork.World.Fps);
            Raise(onOpened);
            if (Opened != null) Opened(fork.World);
        }

        HeliosRequest Ask(HeliosRequest request)
        {
            HeliosException refusal = null;
            if (link == null) refusal = new HeliosException("usage", "the world is closed: call Open() first", false);
            else if (!requests.TryAdd(request))
                refusal = new HeliosException("usage", RequestQueue.Most + " requests are waiting: wait for IsBusy to end", true);
            if (refusal == null) SendNext();
            else Fail(request, refusal);
            return request;
        }

        void SendNext()
        {
            if (Session == null) return;
            HeliosException error;
            HeliosRequest refused = requests.Pump(Session, out error);
            if (refused != null) Fail(refused, error);
        }

        /// <summary>The session is over, for this reason.</summary>
        void Drop(string why)
        {
            HeliosLink left = link;
            HeliosSession session = Session;
            HeliosRequest open = opening;
            link = null;
            Session = null;
            opening = null;
            State = HeliosWorldState.Closed;
            player.Clear();
            left.Leave(this, session);
            var reason = new HeliosException("usage", why, false);
            if (open != null) open.End(reason);
            requests.FailAll(reason);
            Raise(onClosed);
            if (Closed != null) Closed();
        }

        /// <summary>Opening failed. With autostart it is tried again.</summary>
        void GiveUp(HeliosException error)
        {
            HeliosRequest failed = opening;
            bool again = beginsByItself && MayPass(error);
            opening = null;
            if (link != null) Drop(error.Message);
            if (again && isActiveAndEnabled && link == null) retryAt = HeliosClock.Now + RetrySeconds;
            if (failed != null) Fail(failed, error);
            else Report(error);
        }

        static bool MayPass(HeliosException error)
        {
            return error.Retryable || error.Code == "connection" || error.Code == "timeout" || error.Code == "unknown_session";
        }
    }
}
