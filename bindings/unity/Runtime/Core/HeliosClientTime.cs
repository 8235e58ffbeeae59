using System;

namespace HeliosWorld
{
    // What is due: heartbeats, time-outs, and the end of a client that was disposed. Under the gate.
    public sealed partial class HeliosClient
    {
        private const double DefaultHeartbeat = 15, SleptSeconds = 3;
        private const int DeadHeartbeats = 3;

        private double pingedAt, tickedAt, leaveBy = double.PositiveInfinity, openedBy = double.PositiveInfinity;

        double ILinkOwner.Tick(double now)
        {
            double next = double.PositiveInfinity;
            for (int i = sessions.Count - 1; i >= 0; i--)
            {
                if (i < sessions.Count) next = Math.Min(next, sessions[i].Tick(now));
            }
            if (isDisposed) return Math.Min(next, TickFarewell(now));
            return Math.Min(next, Math.Min(TickConnect(now), TickHeartbeat(now)));
        }

        private double TickConnect(double now)
        {
            if (isWelcome || connectDeadline > now || isConnectAwaited) return connectDeadline;
            connectDeadline = double.PositiveInfinity;
            var late = new HeliosEvent { Kind = HeliosEventKind.Error, Error = NoConnection(), IsAnswer = true };
            Emit(ref late);
            return connectDeadline;
        }

        // A PING when nothing came for a while, or nothing was sent for a heartbeat. What is sent in stream mode has no
        // answer: only a PONG tells a server that computes for long from one that is gone.
        private double TickHeartbeat(double now)
        {
            bool hasSlept = now > tickedAt + SleptSeconds;
            tickedAt = now;
            if (!isUp) return double.PositiveInfinity;
            double heartbeat = server == null ? DefaultHeartbeat : server.HeartbeatSeconds;
            double patience = Math.Min(heartbeat, options.RepeatSeconds);
            // A machine that was suspended has not listened either.
            if (hasSlept && silentSince < now) silentSince = now;
            double heard = Math.Max(Math.Max(link.HeardAt, link.MovedAt), silentSince);
            if (silentSince < double.PositiveInfinity && now > heard + DeadHeartbeats * patience)
            {
                link.Drop("nothing came for " + (DeadHeartbeats * patience).ToString("0.#") + " s");
                return double.PositiveInfinity;
            }
            double due = PingDue(heartbeat);
            if (now >= due && isWelcome)
            {
                pingedAt = now;
                ClientMessages.Ping(writer, Out, NextNumber());
                Sent();
                due = PingDue(heartbeat);
            }
            return Math.Max(due, now + 0.01);
        }

        private double PingDue(double heartbeat)
        {
            double quiet = Math.Max(link.HeardAt, pingedAt) + Math.Min(heartbeat / 3, options.RepeatSeconds / 2);
            return Math.Min(quiet, sentAt + heartbeat);
        }

        // Disposed: the connection stays until the server knows that its sessions are over, or for so long.
        private double TickFarewell(double now)
        {
            bool isDone = sessions.Count == 0 && (abandoned <= 0 || now >= openedBy);
            if (!isDone && isWelcome && now < leaveBy) return sessions.Count == 0 ? openedBy : leaveBy;
            while (sessions.Count > 0) sessions[sessions.Count - 1].End(HeliosException.Closed());
            link.Stop();
            return double.PositiveInfinity;
        }
    }
}
