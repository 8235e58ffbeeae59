using System.Collections.Generic;

namespace HeliosWorld
{
    /// <summary>
    /// A connection that a world shares with its forks: whichever of them is updated first in a frame hands out what has
    /// come. It ends with the last of them.
    /// </summary>
    sealed class HeliosLink
    {
        readonly List<HeliosWorldBehaviour> users = new List<HeliosWorldBehaviour>(2);
        bool isOver;

        public HeliosLink(HeliosClientOptions options) { Client = new HeliosClient(options); }

        public HeliosClient Client { get; private set; }

        public void Join(HeliosWorldBehaviour user) { users.Add(user); }

        /// <summary>Ends the session; with the last user the connection too. Does not wait.</summary>
        public void Leave(HeliosWorldBehaviour user, HeliosSession session)
        {
            users.Remove(user);
            if (users.Count == 0)
            {
                isOver = true;
                Client.Dispose();
            }
            else if (session != null)
            {
                session.BeginClose();
            }
        }

        public void Pump()
        {
            HeliosEvent next;
            while (!isOver && Client.TryPoll(out next)) Hand(ref next);
        }

        void Hand(ref HeliosEvent what)
        {
            bool taken = false;
            for (int i = users.Count - 1; i >= 0; i--)
            {
                if (i >= users.Count) continue; // a handler closed others
                if (what.Session != null && users[i].Session != what.Session) continue;
                taken = true;
                users[i].Handle(ref what);
            }
            if (!taken && what.Chunk != null) what.Chunk.Dispose();
        }
    }
}
