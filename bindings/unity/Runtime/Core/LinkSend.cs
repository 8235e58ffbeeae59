using System.Net.Sockets;
using System.Threading;

namespace HeliosWorld
{
    // The thread that sends, and that notices what is due.
    internal sealed partial class Link
    {
        private void Send()
        {
            while (true)
            {
                TcpChannel target;
                lock (Gate)
                {
                    while (!HasWork())
                    {
                        if (isStopping)
                        {
                            if (channel != null) channel.Shutdown(SocketShutdown.Send);
                            return;
                        }
                        double next = owner.Tick(HeliosClock.Now);
                        if (!HasWork() && !isStopping) Monitor.Wait(Gate, Milliseconds(next - HeliosClock.Now));
                    }
                    target = channel;
                    ByteBuffer full = unsent;
                    unsent = sending;
                    sending = full;
                }
                WriteAll(target);
                isSending = false;
                sending.Clear();
            }
        }

        private bool HasWork()
        {
            return channel != null && unsent.Count > 0;
        }

        private void WriteAll(TcpChannel target)
        {
            try
            {
                for (int sent = 0; sent < sending.Count && channel == target && !IsReceiverOver();)
                {
                    int some = target.Write(sending.Data, sent, sending.Count - sent);
                    sent += some;
                    if (sent < sending.Count) Wait(some > 0);
                }
            }
            catch (WireException)
            {
                // The receiving thread learns it too, and says so.
                target.Shutdown(SocketShutdown.Both);
            }
        }

        // While a long message goes out, or the server takes nothing, time passes all the same.
        private void Wait(bool isMoving)
        {
            isSending = true;
            if (isMoving) Interlocked.Exchange(ref movedAt, System.Diagnostics.Stopwatch.GetTimestamp());
            lock (Gate) owner.Tick(HeliosClock.Now);
        }
    }
}
