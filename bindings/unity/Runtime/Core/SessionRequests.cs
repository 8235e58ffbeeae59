using System;
using System.Threading;

namespace HeliosWorld
{
    // Requests: numbering, sending, repeating, and how they end. All under the client's gate.
    public sealed partial class HeliosSession
    {
        private enum Standing
        {
            Opening,
            Attached,
            Detached,
            Resuming,
            Ended
        }

        private const string ClosedText = "the session is closed; open another one";

        private Standing state = Standing.Opening;
        private Request current = new Request(), following = new Request();
        private long answered, asked;
        private Waiter awaited, spare;
        private HeliosException end;

        internal void BeginOpen(HeliosOpenOptions open, bool isBlocking)
        {
            current.Begin(RequestKind.Open, HeliosClock.Now, Client.Options.TimeoutSeconds, NewWaiter(isBlocking));
            ClientMessages.Open(Client.Writer, current, open, Guid.NewGuid().ToString("N"));
            current.Number(Client.NextNumber(), 0);
            if (Client.IsWelcome) Send(current);
        }

        /// <summary>Wait for the request that this thread has just begun.</summary>
        internal HeliosEvent Await()
        {
            Waiter mine = awaited;
            while (!mine.IsDone) Monitor.Wait(Client.Gate, 1000);
            HeliosEvent item = mine.Result;
            mine.IsDone = false;
            mine.Result = default(HeliosEvent);
            spare = mine;
            if (item.Error != null) throw item.Error;
            return item;
        }

        private Waiter NewWaiter(bool isBlocking)
        {
            awaited = isBlocking ? spare ?? new Waiter() : null;
            if (isBlocking) spare = null;
            return awaited;
        }

        private bool IsTaken()
        {
            return (current.IsActive && !current.IsOrphan) || following.IsActive;
        }

        private Request Prepare(RequestKind kind, bool isBlocking)
        {
            if (state == Standing.Ended) throw end;
            if (current.Kind == RequestKind.Close) throw HeliosException.Usage(ClosedText);
            if (state == Standing.Opening) throw HeliosException.Usage("the session is not open yet; wait for the event Opened");
            if (IsTaken())
                throw HeliosException.Usage("a request of this session is under way; wait for its answer (IsBusy tells)");
            following.Begin(kind, HeliosClock.Now, Client.Options.TimeoutSeconds, NewWaiter(isBlocking));
            return following;
        }

        private void Commit()
        {
            if (!current.IsActive)
            {
                Promote();
                return;
            }
            if (!current.IsLike(following)) return; // it is sent when the earlier one is settled
            current.IsOrphan = false;
            current.Waiter = following.Waiter;
            current.Deadline = following.Deadline;
            following.Clear();
        }

        private void Promote()
        {
            Request free = current;
            current = following;
            following = free;
            current.Number(answered + 1, Epoch);
            if (state == Standing.Attached) Send(current);
            else if (state == Standing.Detached && Client.IsWelcome) Attach();
        }

        private void Send(Request request)
        {
            if (request.Kind != RequestKind.Open) asked = Math.Max(asked, request.Seq);
            request.SentAt = HeliosClock.Now;
            request.RetryAt = -1;
            Client.Out.Add(request.Bytes.Data, 0, request.Bytes.Count);
            Client.Sent();
        }

        /// <summary>Do what is due; when to look again.</summary>
        internal double Tick(double now)
        {
            TimeOut(following, now);
            TimeOut(current, now);
            if (state == Standing.Ended) return double.PositiveInfinity;
            if (state == Standing.Detached || state == Standing.Resuming) return Math.Min(Deadline(), TickResume(now));
            if (!current.IsActive || double.IsNaN(current.SentAt)) return Deadline();
            if (current.RetryAt >= 0)
            {
                if (now >= current.RetryAt) Send(current);
                return Math.Min(Deadline(), Math.Max(current.RetryAt, now + 0.001));
            }
            double again = Math.Max(current.SentAt, Client.MovedAt) + Client.Options.RepeatSeconds;
            // What is still on its way, in either direction, needs no repetition, however slow it is.
            if (now >= again && Client.HeardAt > current.SentAt && !Client.IsMoving) Send(current);
            return Math.Min(Deadline(), now >= again ? now + 0.1 : again);
        }

        private double Deadline()
        {
            double first = current.IsActive && !current.IsOrphan ? current.Deadline : double.PositiveInfinity;
            if (current.Kind == RequestKind.Close) first = Math.Min(first, closingUntil);
            return following.IsActive ? Math.Min(first, following.Deadline) : first;
        }

        private void TimeOut(Request request, double now)
        {
            if (request.Kind == RequestKind.Close) TimeOutClose(now);
            if (!request.IsActive || request.IsOrphan || now < request.Deadline) return;
            HeliosException error = Lateness(request);
            if (request.Kind == RequestKind.Open)
            {
                End(error);
                return;
            }
            var late = new HeliosEvent { Kind = HeliosEventKind.Error, Session = this, Error = error };
            Deliver(request, ref late);
            bool wasSent = request == current && asked >= request.Seq;
            if (wasSent) request.IsOrphan = true;
            else request.Clear();
        }

        private HeliosException Lateness(Request request)
        {
            if (request.Refusal != null) return request.Refusal;
            double seconds = request.Deadline - request.BegunAt;
            string what = "no answer to " + request.Kind + " within " + seconds.ToString("0.##") + " s";
            if (!Client.IsWelcome)
                return new HeliosException("connection", what + ": the connection to " + Client.Options.Address
                    + " is lost; is the server running? The client goes on trying", true);
            return new HeliosException("timeout", what + "; the same call again waits for the same answer", true);
        }

        /// <summary>To the caller who waits, or to the events.</summary>
        private void Deliver(Request request, ref HeliosEvent item)
        {
            item.Session = this;
            item.IsAnswer = true;
            if (request.IsOrphan) Discard(ref item);
            else if (request.Waiter == null) Client.Emit(ref item);
            else
            {
                request.Waiter.Result = item;
                request.Waiter.IsDone = true;
                Monitor.PulseAll(Client.Gate);
            }
        }

        private void Discard(ref HeliosEvent item)
        {
            if (item.Chunk != null) item.Chunk.Dispose();
            if (item.Fork != null) item.Fork.Leave();
        }

        private void Finish(HeliosEventKind kind)
        {
            var item = new HeliosEvent { Kind = kind };
            Finish(ref item);
        }

        /// <summary>The present request has its answer.</summary>
        private void Finish(ref HeliosEvent item)
        {
            if (current.Kind != RequestKind.Open)
            {
                answered = current.Seq;
                if (!double.IsNaN(current.SentAt)) Client.Answered(1000 * (HeliosClock.Now - current.SentAt));
            }
            Conclude(ref item);
        }

        /// <summary>The present request is over; its number may be used again unless `answered` says otherwise.</summary>
        private void Fail(HeliosException error)
        {
            var item = new HeliosEvent { Kind = HeliosEventKind.Error, Error = error };
            Conclude(ref item);
        }

        private void Conclude(ref HeliosEvent item)
        {
            Deliver(current, ref item);
            current.Clear();
            if (following.IsActive && state != Standing.Ended) Promote();
        }

        /// <summary>No request will succeed any more; null: it was closed as wanted.</summary>
        internal void End(HeliosException why)
        {
            if (state == Standing.Ended) return;
            state = Standing.Ended;
            end = why ?? HeliosException.Usage(ClosedText);
            EndRequest(current, why);
            EndRequest(following, why);
            answer.Clear();
            streamed.Clear();
            ClearArrived();
            Client.Remove(this);
        }

        private void EndRequest(Request request, HeliosException why)
        {
            if (!request.IsActive) return;
            bool isClosed = why == null && request.Kind == RequestKind.Close;
            var item = new HeliosEvent { Kind = isClosed ? HeliosEventKind.Closed : HeliosEventKind.Error };
            if (!isClosed) item.Error = why ?? end;
            Deliver(request, ref item);
            request.Clear();
        }
    }
}
