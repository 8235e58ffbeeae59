using System.Collections.Generic;

namespace HeliosWorld
{
    /// <summary>
    /// A session has one request under way; those that come meanwhile wait here, so that saving while a step is being
    /// made is no error.
    /// </summary>
    sealed class RequestQueue
    {
        public const int Most = 8;
        readonly Queue<HeliosRequest> waiting = new Queue<HeliosRequest>(Most);

        /// <summary>The one under way, or null.</summary>
        public HeliosRequest Current { get; private set; }

        public int Count { get { return waiting.Count + (Current == null ? 0 : 1); } }

        /// <summary>Whether there is room for another one.</summary>
        public bool TryAdd(HeliosRequest request)
        {
            if (Count >= Most) return false;
            waiting.Enqueue(request);
            return true;
        }

        /// <summary>Send the next one, if the session is free. Returns one that failed at once, with why; otherwise null.</summary>
        public HeliosRequest Pump(HeliosSession session, out HeliosException error)
        {
            error = null;
            if (Current != null || waiting.Count == 0 || !session.IsOpen || session.IsBusy) return null;
            HeliosRequest next = waiting.Dequeue();
            try
            {
                Begin(session, next);
                Current = next;
                return null;
            }
            catch (HeliosException refused)
            {
                error = refused;
                return next;
            }
        }

        /// <summary>The answer has come: the request that it belongs to, which is no longer under way.</summary>
        public HeliosRequest Take()
        {
            HeliosRequest answered = Current;
            Current = null;
            return answered;
        }

        /// <summary>The session is over: nothing will be answered.</summary>
        public void FailAll(HeliosException error)
        {
            HeliosRequest current = Take();
            HeliosRequest[] others = waiting.ToArray();
            waiting.Clear();
            if (current != null) current.End(error);
            foreach (HeliosRequest each in others) each.End(error);
        }

        static void Begin(HeliosSession session, HeliosRequest request)
        {
            switch (request.What)
            {
                case HeliosRequest.Kind.Reset: session.BeginReset(request.Seed, request.Prompt); break;
                case HeliosRequest.Kind.Step: session.BeginStep(request.Action, request.Prompt); break;
                case HeliosRequest.Kind.Prompt: session.BeginSetPrompt(request.Prompt); break;
                case HeliosRequest.Kind.Snapshot: session.BeginSnapshot(); break;
                case HeliosRequest.Kind.Restore: session.BeginRestore(request.Bytes); break;
                case HeliosRequest.Kind.Fork: session.BeginFork(); break;
                case HeliosRequest.Kind.Record: session.BeginRecord(request.On); break;
            }
        }
    }
}
