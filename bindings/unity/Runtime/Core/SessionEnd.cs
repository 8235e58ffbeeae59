using System;

namespace HeliosWorld
{
    // Closing: the server is told until it knows, so that the session does not take up its room. All under the gate.
    public sealed partial class HeliosSession
    {
        private double closingUntil;

        /// <summary>False if there is nothing to wait for: it is over, or on no connection.</summary>
        private bool DoClose(bool isQuiet, bool isBlocking)
        {
            if (state == Standing.Ended) return false;
            var closed = HeliosException.Usage("the session was closed before this request was answered");
            EndRequest(following, closed);
            EndRequest(current, closed);
            if (state != Standing.Attached)
            {
                End(null);
                return false;
            }
            double now = HeliosClock.Now;
            current.Begin(RequestKind.Close, now, Math.Min(Client.Options.TimeoutSeconds, ClosingSeconds), NewWaiter(isBlocking));
            current.IsOrphan = isQuiet;
            closingUntil = now + ClosingSeconds;
            ClientMessages.Plain(Client.Writer, current, "CLOSE", Id);
            current.Number(asked + 1, 0);
            ClearArrived();
            Send(current);
            return true;
        }

        /// <summary>Tell the server that the session is over. Nobody waits, and nobody is told.</summary>
        internal void Leave()
        {
            if (current.Kind == RequestKind.Close) return;
            if (state == Standing.Opening && !double.IsNaN(current.SentAt)) Client.Abandoned();
            if (state == Standing.Attached) DoClose(true, false);
            else End(HeliosException.Closed());
        }

        // Who has closed it is let go after a second; a server that says that it is busy is told for longer.
        private void TimeOutClose(double now)
        {
            if (now >= closingUntil) End(null);
            else if (now >= current.Deadline && !current.IsOrphan)
            {
                var closed = new HeliosEvent { Kind = HeliosEventKind.Closed };
                Deliver(current, ref closed);
                current.IsOrphan = true;
            }
        }

        private void CloseRefused(ErrorMessage message)
        {
            double now = HeliosClock.Now;
            if (message.Code == "gap" && message.NextSeq > 0) current.Number(message.NextSeq, 0);
            if (message.Code != "gap" && message.Code != "busy")
            {
                End(null);
                return;
            }
            current.RetryAt = now + Pause(current.Retries++);
            closingUntil = Math.Min(current.RetryAt + ClosingSeconds, current.BegunAt + LongestClosingSeconds);
        }
    }
}
