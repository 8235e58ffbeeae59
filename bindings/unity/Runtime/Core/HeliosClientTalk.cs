using System;
using System.Threading;

namespace HeliosWorld
{
    // What happens on the connection: greeting, and which message is whose.
    public sealed partial class HeliosClient : ILinkOwner
    {
        private readonly MessageDecoder decoder = new MessageDecoder();
        private readonly MessageWriter writer = new MessageWriter();
        private HeliosStatistics statistics;
        private long numbers, helloSeq;
        private bool isUp, isWelcome, isConnectAwaited;
        private double connectDeadline = double.PositiveInfinity;
        private double sentAt, silentSince = double.PositiveInfinity, pongAt = double.NegativeInfinity;
        private int abandoned;
        private bool isServerIdle;
        private string lastReason;

        internal MessageWriter Writer
        {
            get { return writer; }
        }

        internal bool IsWelcome
        {
            get { return isWelcome; }
        }

        internal double HeardAt
        {
            get { return link.HeardAt; }
        }

        /// <summary>A message is just coming in or going out.</summary>
        internal bool IsMoving
        {
            get { return link.IsInMessage || link.IsSending; }
        }

        /// <summary>When a server that takes little at a time last took something.</summary>
        internal double MovedAt
        {
            get { return link.MovedAt; }
        }

        /// <summary>When the server last said that it has nothing to do; minus infinity if it did not.</summary>
        internal double IdleAt
        {
            get { return isServerIdle ? pongAt : double.NegativeInfinity; }
        }

        internal long NextNumber()
        {
            return ++numbers;
        }

        internal ByteBuffer Out
        {
            get { return link.Out; }
        }

        /// <summary>Something was written to Out; under the gate.</summary>
        internal void Sent()
        {
            sentAt = HeliosClock.Now;
            silentSince = Math.Min(silentSince, sentAt);
            link.Flush();
        }

        internal void Answered(double roundTripMs)
        {
            statistics.RoundTripMs = roundTripMs;
        }

        internal void Resumed()
        {
            statistics.Resumes++;
        }

        internal void CountDropped()
        {
            statistics.DroppedMessages++;
        }

        internal void CountChunk()
        {
            statistics.ChunksReceived++;
        }

        internal void Drop(string reason)
        {
            link.Drop(reason);
        }

        void ILinkOwner.OnUp()
        {
            isUp = true;
            silentSince = double.PositiveInfinity;
            helloSeq = NextNumber();
            ClientMessages.Hello(writer, Out, helloSeq, options.Name);
            Sent();
        }

        void ILinkOwner.OnDown(string reason)
        {
            bool wasWelcome = isWelcome;
            isUp = isWelcome = false;
            silentSince = double.PositiveInfinity;
            lastReason = reason;
            for (int i = 0; i < sessions.Count; i++) sessions[i].Detach(0);
            abandoned = 0;
            if (!wasWelcome) return;
            var lost = new HeliosEvent { Kind = HeliosEventKind.Disconnected, Text = reason };
            Emit(ref lost);
        }

        void ILinkOwner.OnMessage(ZmtpMessage raw)
        {
            ServerMessage message = null;
            bool isReadable = true;
            try
            {
                message = decoder.Decode(raw);
            }
            catch (WireException)
            {
                isReadable = false; // as the protocol wants it: a client drops what it cannot read
            }
            lock (link.Gate)
            {
                silentSince = double.PositiveInfinity;
                statistics.MessagesReceived++;
                if (!isReadable) CountDropped();
                if (message != null) Handle(message);
                Monitor.PulseAll(link.Gate);
            }
        }

        private void Handle(ServerMessage message)
        {
            switch (message.Type)
            {
                case MessageType.Welcome: Welcome((WelcomeMessage)message); break;
                case MessageType.Pong: Pong((PongMessage)message); break;
                case MessageType.Opened: Opened((OpenedMessage)message); break;
                case MessageType.Error: Error((ErrorMessage)message); break;
                case MessageType.Bye: Bye((ByeMessage)message); break;
                default:
                    HeliosSession session = Find(message.Sid);
                    if (session != null) session.Take(message);
                    break;
            }
        }

        private void Welcome(WelcomeMessage message)
        {
            if (isWelcome || message.Seq != helloSeq) return;
            if (message.Info.Version != 1)
            {
                Fail(new HeliosException("version", "the server speaks version " + message.Info.Version
                    + " of the protocol; this client speaks 1. Use releases of both that fit", false));
                return;
            }
            server = message.Info;
            isWelcome = true;
            connectDeadline = double.PositiveInfinity;
            statistics.Connections++;
            link.Proven();
            var connected = new HeliosEvent { Kind = HeliosEventKind.Connected };
            Emit(ref connected);
            for (int i = 0; i < sessions.Count; i++) sessions[i].Attach();
        }

        private void Pong(PongMessage message)
        {
            pongAt = HeliosClock.Now;
            isServerIdle = !message.IsBusy && message.Queue == 0;
        }

        private void Opened(OpenedMessage message)
        {
            HeliosSession known = Find(message.Sid);
            if (message.Parent != null)
            {
                HeliosSession parent = Find(message.Parent);
                bool isTaken = known != null || (parent != null && parent.TakeFork(message));
                if (!isTaken) SendClose(message.Sid, message.NextSeq);
                return;
            }
            for (int i = 0; i < sessions.Count; i++)
            {
                if (sessions[i].TakeOpened(message, known)) return;
            }
            // Nobody waits for it any more; at the server it would only take up room.
            if (known != null || message.Seq > numbers) return;
            SendClose(message.Sid, message.NextSeq);
            abandoned--;
        }

        /// <summary>An OPEN is on its way whose session nobody wants any more.</summary>
        internal void Abandoned()
        {
            abandoned++;
        }

        private void SendClose(string sid, long seq)
        {
            if (!isWelcome) return;
            ClientMessages.Close(writer, Out, sid, seq);
            Sent();
        }

        private void Error(ErrorMessage message)
        {
            if (!isWelcome)
            {
                if (message.Seq != helloSeq && message.Seq != 0) return;
                if (message.Retryable) link.Drop(message.Text);
                else Fail(new HeliosException(message.Code, message.Text, false));
                return;
            }
            if (message.Sid != null)
            {
                HeliosSession session = Find(message.Sid);
                if (session != null) session.Refused(message);
                return;
            }
            for (int i = 0; i < sessions.Count; i++)
            {
                if (sessions[i].TakeRefusal(message)) return;
            }
            if (message.Seq != 0) return; // of something that nobody waits for any more
            var loose = new HeliosEvent { Kind = HeliosEventKind.Error };
            loose.Error = new HeliosException(message.Code, message.Text, message.Retryable);
            Emit(ref loose);
        }

        private void Bye(ByeMessage message)
        {
            if (message.Sid == null)
            {
                link.Drop("the server says goodbye: " + message.Reason);
                return;
            }
            HeliosSession session = Find(message.Sid);
            if (session != null) session.TakeBye(message);
        }

        private HeliosSession Find(string sid)
        {
            for (int i = 0; i < sessions.Count; i++)
            {
                if (sid != null && sessions[i].Id == sid) return sessions[i];
            }
            return null;
        }

        // The server will never take this client: there is no use in trying again.
        private void Fail(HeliosException error)
        {
            fatal = error;
            var failed = new HeliosEvent { Kind = HeliosEventKind.Error, Error = error, IsAnswer = true };
            if (!isConnectAwaited) Emit(ref failed);
            while (sessions.Count > 0) sessions[sessions.Count - 1].End(error);
            link.Stop();
        }
    }
}
