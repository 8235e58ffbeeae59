using System;

namespace HeliosWorld
{
    // Stream mode: chunks that come unasked, credit and input. All under the client's gate.
    public sealed partial class HeliosSession
    {
        private const int MostArrived = 8;

        private readonly HeliosChunk[] arrived = new HeliosChunk[MostArrived];
        private int firstArrived, arrivedCount;

        /// <summary>Chunks that came unasked and could not be used.</summary>
        internal long Damaged { get; private set; }

        internal bool CanStream
        {
            get { return state == Standing.Attached && Epoch > 0; }
        }

        internal HeliosChunk TakeArrived()
        {
            if (arrivedCount == 0) return null;
            HeliosChunk chunk = arrived[firstArrived];
            arrived[firstArrived] = null;
            firstArrived = (firstArrived + 1) % MostArrived;
            arrivedCount--;
            return chunk;
        }

        internal void SendCredit(int n)
        {
            ClientMessages.Credit(Client.Writer, Client.Out, Id, Epoch, n);
            Client.Sent();
        }

        internal void SendInput(HeliosInputs inputs, double now)
        {
            inputs.Write(Client.Writer, Id, Epoch, now);
            Client.Writer.End(Client.Out);
            Client.Sent();
        }

        private void TakeStreamed(ChunkMessage message)
        {
            bool isExpected = state == Standing.Attached && Mode == HeliosMode.Stream && message.Epoch == Epoch;
            if (!isExpected) return;
            bool isDamaged;
            HeliosChunk chunk = streamed.Add(message, HeliosClock.Now, out isDamaged);
            if (isDamaged)
            {
                Client.CountDropped();
                Damaged++;
            }
            if (chunk == null) return;
            chunk.Session = this;
            Index = chunk.Index + 1;
            Client.CountChunk();
            Keep(chunk);
        }

        /// <summary>The first chunk of an epoch; what was there before is over.</summary>
        private void Begun(HeliosChunk chunk)
        {
            ClearArrived();
            Keep(chunk);
        }

        private void Keep(HeliosChunk chunk)
        {
            // More than credit allows: the oldest goes, as nobody takes them.
            if (arrivedCount == MostArrived) TakeArrived().Dispose();
            arrived[(firstArrived + arrivedCount++) % MostArrived] = chunk;
        }

        private void ClearArrived()
        {
            streamed.Clear();
            while (arrivedCount > 0) TakeArrived().Dispose();
        }
    }
}
