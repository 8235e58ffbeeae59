using System;
using System.Collections.Generic;
using System.Threading;

namespace HeliosWorld
{
    /// <summary>
    /// A connection to a server, which is made anew when it breaks, and the sessions on it. It has two background
    /// threads; results come only on the caller's thread, from TryPoll or from calls that wait. Every member may be used
    /// from any thread.
    /// </summary>
    public sealed partial class HeliosClient : IDisposable
    {
        private const double MostFarewellSeconds = 10;

        private readonly HeliosClientOptions options;
        private readonly Link link;
        private readonly EventQueue events = new EventQueue();
        private readonly List<HeliosSession> sessions = new List<HeliosSession>();
        private HeliosException fatal;
        private HeliosServerInfo server;
        private bool isStarted, isDisposed;

        /// <summary>Nothing is opened yet.</summary>
        /// <exception cref="HeliosException">usage: an address or a time that cannot be.</exception>
        public HeliosClient(HeliosClientOptions options)
        {
            CheckTimes(options.TimeoutSeconds, options.RepeatSeconds);
            if (!(options.HandshakeSeconds > 0)) throw HeliosException.Usage("HandshakeSeconds must be above 0");
            if (options.Name == null || Utf8.Count(options.Name) < 0 || Utf8.Count(options.Name) > 256)
                throw HeliosException.Usage("Name must have at most 256 characters");
            this.options = new HeliosClientOptions
            {
                Address = options.Address,
                Name = options.Name,
                TimeoutSeconds = options.TimeoutSeconds,
                RepeatSeconds = options.RepeatSeconds,
                HandshakeSeconds = options.HandshakeSeconds
            };
            Chunks = new ChunkPool();
            link = new Link(HeliosAddress.Parse(options.Address), options.HandshakeSeconds, Chunks.Frames, this);
        }

        /// <summary>Where the client stands.</summary>
        public HeliosClientState State
        {
            get
            {
                lock (link.Gate)
                {
                    if (isDisposed || fatal != null) return HeliosClientState.Closed;
                    if (!isStarted) return HeliosClientState.Idle;
                    return isWelcome ? HeliosClientState.Connected : HeliosClientState.Connecting;
                }
            }
        }

        /// <summary>What the server says of itself; null before the first connection.</summary>
        public HeliosServerInfo Server
        {
            get { lock (link.Gate) return server; }
        }

        /// <summary>What has happened so far.</summary>
        public HeliosStatistics Statistics
        {
            get
            {
                lock (link.Gate)
                {
                    HeliosStatistics copy = statistics;
                    copy.BytesReceived = link.BytesReceived;
                    copy.DroppedEvents = events.Dropped;
                    copy.BuffersAllocated = Chunks.Frames.Allocated;
                    return copy;
                }
            }
        }

        internal ChunkPool Chunks { get; private set; }

        internal HeliosClientOptions Options
        {
            get { return options; }
        }

        internal object Gate
        {
            get { return link.Gate; }
        }

        /// <summary>Begin to connect. Events: Connected, or Error "connection" once when it takes longer than the time-out.</summary>
        public void BeginConnect()
        {
            lock (link.Gate)
            {
                if (isDisposed) throw HeliosException.Closed();
                if (isStarted) return;
                isStarted = true;
                connectDeadline = HeliosClock.Now + options.TimeoutSeconds;
                link.Start();
            }
        }

        /// <summary>Connect, waiting at most TimeoutSeconds. After a failure it is still tried, until Dispose.</summary>
        /// <exception cref="HeliosException">connection, version, or what the server refuses.</exception>
        public void Connect()
        {
            lock (link.Gate)
            {
                isConnectAwaited = true;
                try
                {
                    BeginConnect();
                    double until = HeliosClock.Now + options.TimeoutSeconds;
                    while (!isWelcome)
                    {
                        if (isDisposed) throw HeliosException.Closed();
                        if (fatal != null) throw fatal;
                        double left = until - HeliosClock.Now;
                        if (left <= 0) throw NoConnection();
                        Monitor.Wait(link.Gate, (int)Math.Ceiling(1000 * Math.Min(left, 1)));
                    }
                }
                finally
                {
                    isConnectAwaited = false;
                }
            }
        }

        /// <summary>Begin to open a session. Events: Opened or Error, with the session.</summary>
        /// <exception cref="HeliosException">usage: options that cannot be.</exception>
        public HeliosSession BeginOpen(HeliosOpenOptions open)
        {
            lock (link.Gate) return AddSession(open, false);
        }

        /// <summary>Open a session, waiting at most TimeoutSeconds.</summary>
        /// <exception cref="HeliosException">what the server refuses, timeout, connection, usage.</exception>
        public HeliosSession Open(HeliosOpenOptions open)
        {
            lock (link.Gate)
            {
                HeliosSession session = AddSession(open, true);
                session.Await();
                return session;
            }
        }

        /// <summary>The next event; false if there is none. Never waits.</summary>
        public bool TryPoll(out HeliosEvent e)
        {
            lock (link.Gate) return events.TryPop(out e);
        }

        /// <summary>Change times while the client works; in seconds.</summary>
        public void SetTimes(double timeoutSeconds, double repeatSeconds)
        {
            CheckTimes(timeoutSeconds, repeatSeconds);
            lock (link.Gate)
            {
                options.TimeoutSeconds = timeoutSeconds;
                options.RepeatSeconds = repeatSeconds;
                Monitor.PulseAll(link.Gate);
            }
        }

        /// <summary>
        /// End all sessions and the connection. Returns at once; the threads end as soon as the server knows, which is
        /// usually within a second, and at most 10 seconds where it is still at a request. Calls that wait fail with
        /// "usage". Twice is fine.
        /// </summary>
        public void Dispose()
        {
            lock (link.Gate)
            {
                if (isDisposed) return;
                isDisposed = true;
                for (int i = sessions.Count - 1; i >= 0; i--) sessions[i].Leave();
                openedBy = HeliosClock.Now + 1;
                leaveBy = HeliosClock.Now + MostFarewellSeconds;
                TickFarewell(HeliosClock.Now);
                link.Flush();
            }
        }

        /// <summary>Whether both threads have ended, after waiting at most that long; they hurry then.</summary>
        public bool WaitEnded(int milliseconds)
        {
            lock (link.Gate)
            {
                leaveBy = Math.Min(leaveBy, HeliosClock.Now + 0.0005 * milliseconds);
                link.Flush();
            }
            return link.WaitEnded(milliseconds);
        }

        /// <summary>Nobody polls a client that was disposed.</summary>
        internal void Emit(ref HeliosEvent item)
        {
            if (!isDisposed) events.Push(ref item);
            else if (item.Chunk != null) item.Chunk.Dispose();
        }

        internal void Remove(HeliosSession session)
        {
            sessions.Remove(session);
        }

        internal void Add(HeliosSession session)
        {
            sessions.Add(session);
        }

        private HeliosSession AddSession(HeliosOpenOptions open, bool isBlocking)
        {
            if (isDisposed) throw HeliosException.Closed();
            if (fatal != null) throw fatal;
            if (!isStarted) throw HeliosException.Usage("nothing is connected; call Connect() or BeginConnect() first");
            if (open.Quality < 1 || open.Quality > 100)
                throw HeliosException.Usage("quality is " + open.Quality + "; use 1 to 100");
            if (open.World != null && (Utf8.Count(open.World) < 0 || Utf8.Count(open.World) > 256))
                throw HeliosException.Usage("the world's name has more than 256 characters");
            var session = new HeliosSession(this, open.Mode, open.Encoding);
            session.BeginOpen(open, isBlocking);
            sessions.Add(session);
            link.Flush();
            return session;
        }

        private HeliosException NoConnection()
        {
            string why = lastReason == null ? "" : " (" + lastReason + ")";
            return new HeliosException("connection", "no connection to " + options.Address + why
                + "; is the server running there? start one with: helios-world serve nano", true);
        }

        private static void CheckTimes(double timeout, double repeat)
        {
            if (!(timeout > 0) || !(repeat > 0) || timeout > 1e6 || repeat > 1e6)
                throw HeliosException.Usage("timeout is " + timeout + " and repeat is " + repeat + "; both are above 0 seconds");
        }
    }
}
