using System;

namespace HeliosWorld
{
    /// <summary>Who is told what a ZMTP stream holds.</summary>
    internal interface IZmtpSink
    {
        /// <summary>The peer's greeting is all right: say READY.</summary>
        void OnGreeting();

        /// <summary>The handshake is over.</summary>
        void OnReady();

        /// <summary>A PING came; its context is to be sent back in a PONG.</summary>
        void OnPing(byte[] data, int offset, int count);

        /// <summary>A message is complete; the parser clears it afterwards.</summary>
        void OnMessage(ZmtpMessage message);
    }

    /// <summary>
    /// Takes a ZMTP 3 stream (NULL mechanism) apart, in pieces of any size. Large parts can be received straight into
    /// their buffer: while <see cref="WantsDirect"/>, read at most <see cref="Missing"/> bytes into
    /// <see cref="Target"/> and call <see cref="Filled"/>.
    /// </summary>
    internal sealed class ZmtpParser
    {
        private const int GreetingBytes = 64;
        private const int MaxCommand = 4096;
        private const int DirectBytes = 4096;
        // What a peer claims is not believed at once: larger buffers grow while bytes really come.
        private const int TrustedBytes = 1 << 20;
        private const int More = 1, Long = 2, Command = 4;

        private enum State
        {
            Greeting,
            Start,
            Body
        }

        private enum Body
        {
            Command,
            Fixed,
            Pooled,
            Skipped
        }

        private readonly FramePool pool;
        private readonly IZmtpSink sink;
        private readonly ZmtpMessage message;
        private readonly ZmtpCommands commands;
        private readonly byte[] start = new byte[GreetingBytes];
        private readonly byte[] command = new byte[MaxCommand];
        private State state;
        private Body body;
        private int startCount, flags;
        private long length, filled;

        public ZmtpParser(FramePool pool, IZmtpSink sink)
        {
            this.pool = pool;
            this.sink = sink;
            message = new ZmtpMessage(pool);
            commands = new ZmtpCommands(sink);
        }

        /// <summary>The part that is being received.</summary>
        public byte[] Target { get; private set; }

        /// <summary>Where in it the next byte goes.</summary>
        public int TargetOffset
        {
            get { return (int)filled; }
        }

        /// <summary>Bytes that the target can take now.</summary>
        public int Missing
        {
            get { return (int)(Math.Min(length, Target.Length) - filled); }
        }

        public bool WantsDirect
        {
            get { return state == State.Body && body == Body.Pooled && Missing >= DirectBytes; }
        }

        /// <summary>Part of a message has come, and the rest has not.</summary>
        public bool IsInMessage
        {
            get { return message.Parts > 0 || state == State.Body; }
        }

        /// <summary>Forget everything: another connection begins.</summary>
        public void Reset()
        {
            ReleaseTarget();
            message.Clear();
            commands.Reset();
            state = State.Greeting;
            startCount = 0;
        }

        /// <exception cref="WireException">the framing is broken; the connection is of no use any more.</exception>
        public void Feed(byte[] data, int offset, int count)
        {
            int end = offset + count;
            while (offset < end) offset += Step(data, offset, end - offset);
        }

        /// <summary>That many bytes were read into the target.</summary>
        public void Filled(int count)
        {
            filled += count;
            if (filled == length) EndPart();
            else if (body == Body.Pooled && filled == Target.Length) Grow();
        }

        private int Step(byte[] data, int offset, int count)
        {
            if (state == State.Greeting) return Greet(data, offset, count);
            if (state == State.Start) return Begin(data[offset]);
            int used = (int)Math.Min(count, length - filled);
            if (body != Body.Skipped)
            {
                used = Math.Min(used, Missing);
                Buffer.BlockCopy(data, offset, Target, TargetOffset, used);
            }
            Filled(used);
            return used;
        }

        private int Greet(byte[] data, int offset, int count)
        {
            int used = Math.Min(count, GreetingBytes - startCount);
            Buffer.BlockCopy(data, offset, start, startCount, used);
            startCount += used;
            ZmtpGreeting.Check(start, startCount);
            if (startCount == GreetingBytes)
            {
                sink.OnGreeting();
                state = State.Start;
                startCount = 0;
            }
            return used;
        }

        private int Begin(byte next)
        {
            start[startCount++] = next;
            flags = start[0];
            if ((flags & ~(More | Long | Command)) != 0 || (flags & (More | Command)) == (More | Command))
                throw new WireException("broken ZMTP: frame flags " + flags);
            int bytes = (flags & Long) != 0 ? 8 : 1;
            if (startCount <= bytes) return 1;
            ulong size = 0;
            for (int i = 1; i <= bytes; i++) size = size << 8 | start[i];
            BeginPart(size);
            return 1;
        }

        private void BeginPart(ulong size)
        {
            startCount = 0;
            filled = 0;
            if (size > (ulong)ZmtpMessage.MaxBytes)
                throw new WireException("a part of " + size + " bytes; at most " + ZmtpMessage.MaxBytes + " are taken");
            length = (long)size;
            if ((flags & Command) != 0) BeginCommand();
            else BeginBody();
            state = State.Body;
            if (length == 0) EndPart();
        }

        private void BeginCommand()
        {
            if (length > MaxCommand) throw new WireException("broken ZMTP: a command of " + length + " bytes");
            body = Body.Command;
            Target = command;
        }

        private void BeginBody()
        {
            if (!commands.IsReady) throw new WireException("broken ZMTP: a message before READY");
            message.Bytes += length;
            if (message.Bytes > ZmtpMessage.MaxBytes)
                throw new WireException("a message of more than " + ZmtpMessage.MaxBytes + " bytes");
            int part = message.Parts;
            long most = part == 0 ? ZmtpMessage.PrefixBytes : part == 1 ? ZmtpMessage.MaxHeader : ZmtpMessage.MaxBytes;
            message.IsUnreadable |= length > most || part >= 2 + ZmtpMessage.MaxBuffers;
            if (message.IsUnreadable) body = Body.Skipped;
            else if (part < 2) Fix(part == 0 ? message.Prefix : message.Header);
            else Rent();
        }

        private void Fix(byte[] target)
        {
            body = Body.Fixed;
            Target = target;
        }

        private void Rent()
        {
            body = Body.Pooled;
            Target = pool.RentKept((int)length) ?? pool.Rent((int)Math.Min(length, TrustedBytes));
        }

        private void Grow()
        {
            byte[] larger = pool.Rent((int)Math.Min(length, 4L * Target.Length));
            Buffer.BlockCopy(Target, 0, larger, 0, (int)filled);
            pool.Return(Target);
            Target = larger;
        }

        private void EndPart()
        {
            state = State.Start;
            if (body == Body.Command)
            {
                commands.Take(command, (int)length);
                return;
            }
            Keep();
            Target = null;
            if ((flags & More) != 0) return;
            sink.OnMessage(message);
            message.Clear();
        }

        private void Keep()
        {
            if (body == Body.Pooled)
            {
                message.Buffers[message.Parts - 2] = Target;
                message.Lengths[message.Parts - 2] = (int)length;
            }
            else if (message.Parts == 1) message.HeaderLength = (int)length;
            else if (message.Parts == 0 && length != ZmtpMessage.PrefixBytes) message.IsUnreadable = true;
            if (message.Parts < 2 + ZmtpMessage.MaxBuffers) message.Parts++;
            else message.IsUnreadable = true;
        }

        private void ReleaseTarget()
        {
            if (state == State.Body && body == Body.Pooled) pool.Return(Target);
            Target = null;
        }
    }
}
