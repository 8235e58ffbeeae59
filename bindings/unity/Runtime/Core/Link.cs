using System;
using System.Net.Sockets;
using System.Threading;

namespace HeliosWorld
{
    /// <summary>Who uses a link. All but OnMessage are called under the link's gate.</summary>
    internal interface ILinkOwner
    {
        /// <summary>A connection stands; messages can be sent.</summary>
        void OnUp();

        /// <summary>A message came, on the receiving thread. Its buffers may be taken out.</summary>
        void OnMessage(ZmtpMessage message);

        /// <summary>The connection is gone, or could not be made.</summary>
        void OnDown(string reason);

        /// <summary>Do what is due; returns when to look again, in seconds of HeliosClock.</summary>
        double Tick(double now);
    }

    /// <summary>One ZMTP connection after the other to the same address: a thread that receives and one that sends.</summary>
    internal sealed partial class Link : IZmtpSink
    {
        private const double FirstPause = 0.25, LongestPause = 5, FarewellSeconds = 0.3, LongestWait = 1;
        private const int MostUnsent = 1 << 28;
        private static readonly double SecondsPerTick = 1.0 / System.Diagnostics.Stopwatch.Frequency;

        /// <summary>Guards everything that both threads and the callers share.</summary>
        public readonly object Gate = new object();

        private readonly HeliosAddress address;
        private readonly double handshakeSeconds;
        private readonly ILinkOwner owner;
        private readonly ZmtpParser parser;
        private readonly byte[] staging = new byte[65536];
        private readonly Thread receiver, sender;
        private ByteBuffer unsent = new ByteBuffer(), sending = new ByteBuffer();
        private TcpChannel channel;
        private bool isReady, isStopping;
        private volatile bool isInMessage, isSending;
        private string dropped;
        private double pause = FirstPause, stoppedAt;
        private long heardAt, movedAt, bytesReceived;

        public Link(HeliosAddress address, double handshakeSeconds, FramePool pool, ILinkOwner owner)
        {
            this.address = address;
            this.handshakeSeconds = handshakeSeconds;
            this.owner = owner;
            parser = new ZmtpParser(pool, this);
            receiver = new Thread(Receive) { IsBackground = true, Name = "helios-world receive" };
            sender = new Thread(Send) { IsBackground = true, Name = "helios-world send" };
        }

        /// <summary>When the last bytes came, in seconds of HeliosClock; 0 if none did.</summary>
        public double HeardAt
        {
            get { return Interlocked.Read(ref heardAt) * SecondsPerTick; }
        }

        public long BytesReceived
        {
            get { return Interlocked.Read(ref bytesReceived); }
        }

        /// <summary>A part of a message has come, and the rest is on its way.</summary>
        public bool IsInMessage
        {
            get { return isInMessage; }
        }

        /// <summary>When the server took a part of what waits for it, in seconds of HeliosClock; 0 if it always took all.</summary>
        public double MovedAt
        {
            get { return Interlocked.Read(ref movedAt) * SecondsPerTick; }
        }

        /// <summary>What was to be sent has not gone out yet.</summary>
        public bool IsSending
        {
            get { return isSending; }
        }

        public void Start()
        {
            receiver.Start();
            sender.Start();
        }

        /// <summary>Where messages are written that are to be sent; only under the gate.</summary>
        public ByteBuffer Out
        {
            get { return unsent; }
        }

        /// <summary>What was written is to be sent now.</summary>
        public void Flush()
        {
            // A server that takes nothing is given up rather than remembered for.
            if (unsent.Count > MostUnsent) Drop("the server takes no more messages");
            Monitor.PulseAll(Gate);
        }

        /// <summary>Give the connection up and make another one.</summary>
        public void Drop(string reason)
        {
            if (channel == null || dropped != null) return;
            dropped = reason;
            channel.Shutdown(SocketShutdown.Both);
        }

        /// <summary>The peer is what it should be: the next pauses are short again.</summary>
        public void Proven()
        {
            pause = FirstPause;
        }

        /// <summary>Send what is written, then end both threads.</summary>
        public void Stop()
        {
            if (isStopping) return;
            isStopping = true;
            stoppedAt = HeliosClock.Now;
            Monitor.PulseAll(Gate);
        }

        public bool WaitEnded(int milliseconds)
        {
            double until = HeliosClock.Now + 0.001 * milliseconds;
            return Ended(receiver, milliseconds) && Ended(sender, (int)Math.Max(1000 * (until - HeliosClock.Now), 1));
        }

        void IZmtpSink.OnGreeting()
        {
            lock (Gate)
            {
                ZmtpCommands.WriteReady(unsent);
                Flush();
            }
        }

        void IZmtpSink.OnReady()
        {
            lock (Gate)
            {
                isReady = true;
                owner.OnUp();
                Flush();
            }
        }

        void IZmtpSink.OnPing(byte[] data, int offset, int count)
        {
            lock (Gate)
            {
                ZmtpCommands.WritePong(unsent, data, offset, count);
                Flush();
            }
        }

        void IZmtpSink.OnMessage(ZmtpMessage message)
        {
            owner.OnMessage(message);
        }

        private static bool Ended(Thread thread, int milliseconds)
        {
            return (thread.ThreadState & ThreadState.Unstarted) != 0 || thread.Join(milliseconds);
        }

        private void Receive()
        {
            while (!IsOver())
            {
                string reason = "the connection was given up";
                try
                {
                    Connect();
                    ReadAll();
                }
                catch (WireException error)
                {
                    reason = error.Message;
                }
                catch (OutOfMemoryException)
                {
                    reason = "no memory for what the server sends"; // without this thread nobody would notice anything
                }
                Close(reason);
                Rest();
            }
        }

        private void Connect()
        {
            TcpChannel made = TcpChannel.Connect(address, handshakeSeconds, IsOver);
            parser.Reset();
            lock (Gate)
            {
                channel = made;
                dropped = null;
                isReady = false;
                unsent.Clear();
                ZmtpGreeting.Write(unsent);
                Flush();
            }
        }

        private void ReadAll()
        {
            double handshakeEnd = HeliosClock.Now + handshakeSeconds;
            while (!IsReceiverOver())
            {
                bool isDirect = parser.WantsDirect;
                int read = isDirect
                    ? channel.Read(parser.Target, parser.TargetOffset, parser.Missing)
                    : channel.Read(staging, 0, staging.Length);
                if (read > 0) Take(read, isDirect);
                if (!isReady && HeliosClock.Now > handshakeEnd)
                    throw new WireException("no ZMTP handshake within " + handshakeSeconds + " s; is it a helios-world server?");
            }
        }

        private void Take(int read, bool isDirect)
        {
            Interlocked.Exchange(ref heardAt, System.Diagnostics.Stopwatch.GetTimestamp());
            Interlocked.Add(ref bytesReceived, read);
            if (isDirect) parser.Filled(read);
            else parser.Feed(staging, 0, read);
            isInMessage = parser.IsInMessage;
        }

        private void Close(string reason)
        {
            lock (Gate)
            {
                if (channel != null) channel.Close();
                channel = null;
                isInMessage = false;
                isReady = false;
                unsent.Clear();
                owner.OnDown(dropped ?? reason);
                dropped = null;
                Monitor.PulseAll(Gate);
            }
        }

        private void Rest()
        {
            lock (Gate)
            {
                double until = HeliosClock.Now + pause;
                pause = Math.Min(2 * pause, LongestPause);
                for (double now = HeliosClock.Now; now < until && !isStopping; now = HeliosClock.Now)
                    Monitor.Wait(Gate, Milliseconds(until - now));
            }
        }

        private bool IsOver()
        {
            lock (Gate) return isStopping;
        }

        // After Stop the last messages get a moment to leave.
        private bool IsReceiverOver()
        {
            lock (Gate) return dropped != null || (isStopping && HeliosClock.Now > stoppedAt + FarewellSeconds);
        }

        private static int Milliseconds(double seconds)
        {
            return (int)Math.Ceiling(1000 * Math.Min(Math.Max(seconds, 0.001), LongestWait));
        }
    }
}
