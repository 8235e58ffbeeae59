using System.Collections.Generic;

namespace HeliosWorld.Samples
{
    /// <summary>Takes a snapshot every few seconds, and goes back to the newest, then the one before, and so on.</summary>
    sealed class Rewind
    {
        const double EverySeconds = 2;
        const int Most = 30;

        readonly HeliosWorldBehaviour world;
        readonly LinkedList<byte[]> past = new LinkedList<byte[]>();
        double next;

        public Rewind(HeliosWorldBehaviour world) { this.world = world; }

        public int Count { get { return past.Count; } }

        public void Update(double now)
        {
            if (now < next || world.IsBusy || world.Texture == null) return;
            next = now + EverySeconds;
            world.Snapshot().Then(Keep);
        }

        /// <summary>False if there is nothing to go back to.</summary>
        public bool Back()
        {
            if (past.Count == 0) return false;
            byte[] newest = past.Last.Value;
            past.RemoveLast();
            next = HeliosClock.Now + EverySeconds;
            world.Restore(newest);
            return true;
        }

        public void Forget() { past.Clear(); }

        void Keep(HeliosRequest done)
        {
            if (!done.Succeeded) return;
            past.AddLast(done.Bytes);
            if (past.Count > Most) past.RemoveFirst();
        }
    }
}
