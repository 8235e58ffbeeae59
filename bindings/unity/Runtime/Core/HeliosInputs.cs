using System;

namespace HeliosWorld
{
    /// <summary>
    /// The present state of a world's controls in stream mode. Set it every frame; HeliosStream.Update sends what
    /// changed. Used by one thread.
    /// </summary>
    public sealed class HeliosInputs
    {
        private const int MostUnseen = 256;

        // What was new in an INPUT that no chunk has had, as far as is known.
        private struct Sent
        {
            public long N;
            public double ChangedAt;
            public ulong Pressed;
            public string Prompt;
        }

        private readonly WorldSpec world;
        private readonly double[] values, amounts;
        private readonly Sent[] unseen = new Sent[MostUnseen];
        private ulong held, pressed;
        private string prompt;
        private double changedAt = double.NaN;
        private bool isNews;
        private int first, count;

        internal HeliosInputs(WorldSpec world)
        {
            this.world = world;
            values = new double[world.Axes.Length];
            amounts = new double[world.Axes.Length];
        }

        /// <summary>The number of the newest INPUT.</summary>
        internal long N { get; private set; }

        internal bool IsNews
        {
            get { return isNews; }
        }

        /// <summary>Hold a button, or let it go.</summary>
        public void SetButton(string name, bool isHeld)
        {
            int index = world.ButtonIndex(name);
            if (index < 0)
                throw HeliosException.Usage("unknown button '" + name + "'; this world has: " + world.ButtonNames());
            ulong bit = 1UL << index;
            if (((held & bit) != 0) == isHeld) return;
            held ^= bit;
            if (isHeld) pressed |= bit;
            Change();
        }

        /// <summary>Whether the button is held now.</summary>
        public bool IsHeld(string name)
        {
            int index = world.ButtonIndex(name);
            return index >= 0 && (held & (1UL << index)) != 0;
        }

        /// <summary>Set an axis whose newest value counts; clipped to its range.</summary>
        public void SetAxis(string name, double value)
        {
            int index = Axis(name, false, value);
            value = world.Axes[index].Clip(value);
            if (values[index] == value) return;
            values[index] = value;
            Change();
        }

        /// <summary>Add to an axis whose amounts are summed, as of a mouse.</summary>
        public void AddAxis(string name, double amount)
        {
            int index = Axis(name, true, amount);
            if (amount == 0) return;
            amounts[index] += amount;
            Change();
        }

        /// <summary>Give the next chunk a prompt; it fades in.</summary>
        public void SetPrompt(string text)
        {
            if (text == null) throw HeliosException.Usage("a prompt is needed");
            HeliosSession.CheckPrompt(text);
            prompt = text;
            Change();
        }

        /// <summary>Let go of everything, as when the window loses the keyboard.</summary>
        public void ReleaseAll()
        {
            bool isMoved = held != 0;
            held = 0;
            for (int i = 0; i < values.Length; i++)
            {
                isMoved |= values[i] != 0;
                values[i] = 0;
            }
            if (isMoved) Change();
        }

        /// <summary>Changes from now on were made at that time.</summary>
        internal void Stamp(double now)
        {
            if (isNews && double.IsNaN(changedAt)) changedAt = now;
        }

        /// <summary>Write the INPUT that tells of all changes since the last one.</summary>
        internal void Write(MessageWriter writer, string sid, long epoch, double now)
        {
            N++;
            MsgPackWriter header = writer.Begin("INPUT", 8);
            header.String("sid");
            header.String(sid);
            header.String("epoch");
            header.Int(epoch);
            header.String("n");
            header.Int(N);
            header.String("buttons");
            WriteButtons(header, held);
            header.String("pressed");
            WriteButtons(header, pressed);
            header.String("axes");
            WriteAxes(header);
            header.String("prompt");
            header.String(prompt);
            header.String("client_time");
            header.Float(now);
            Remember();
            ForgetOnce();
            isNews = false;
        }

        /// <summary>A chunk has had INPUT n and all before; when the first change in them was made, NaN if there was none.</summary>
        internal double Seen(long n)
        {
            double at = double.NaN;
            while (count > 0 && unseen[first].N <= n)
            {
                if (double.IsNaN(at)) at = unseen[first].ChangedAt;
                Forget();
            }
            return at;
        }

        /// <summary>Tell all again that no chunk has had. Amounts are not, for they might count twice.</summary>
        internal void Repeat()
        {
            string last = null;
            while (count > 0)
            {
                pressed |= unseen[first].Pressed;
                last = unseen[first].Prompt ?? last;
                if (double.IsNaN(changedAt)) changedAt = unseen[first].ChangedAt;
                Forget();
            }
            prompt = prompt ?? last;
            isNews |= N > 0;
        }

        /// <summary>A new epoch: what is held stays so, and what no chunk has had is over.</summary>
        internal void Renew()
        {
            ForgetOnce();
            while (count > 0) Forget();
            isNews = held != 0 || Array.Exists(values, value => value != 0);
        }

        private void Change()
        {
            isNews = true;
        }

        private int Axis(string name, bool isSum, double value)
        {
            int index = world.AxisIndex(name);
            if (index < 0)
                throw HeliosException.Usage("unknown axis '" + name + "'; this world has: " + world.AxisNames());
            if (double.IsNaN(value) || double.IsInfinity(value))
                throw HeliosException.Usage("axis '" + name + "' is " + value + "; it needs a finite number");
            if (world.Axes[index].IsSum != isSum)
                throw HeliosException.Usage("axis '" + name + "' " + (isSum ? "keeps its newest value; use SetAxis" : "sums amounts; use AddAxis"));
            return index;
        }

        private void WriteButtons(MsgPackWriter header, ulong set)
        {
            int buttons = 0;
            for (ulong left = set; left != 0; left &= left - 1) buttons++;
            header.Array(buttons);
            for (int i = 0; i < world.Buttons.Length; i++)
            {
                if ((set & (1UL << i)) != 0) header.String(world.Buttons[i].Name);
            }
        }

        private void WriteAxes(MsgPackWriter header)
        {
            int axes = 0;
            for (int i = 0; i < values.Length; i++)
            {
                if (values[i] != 0 || amounts[i] != 0) axes++;
            }
            header.Map(axes);
            for (int i = 0; i < values.Length; i++)
            {
                if (values[i] == 0 && amounts[i] == 0) continue;
                header.String(world.Axes[i].Name);
                header.Float(world.Axes[i].IsSum ? amounts[i] : values[i]);
            }
        }

        private void Remember()
        {
            if (count == MostUnseen) Forget();
            unseen[(first + count++) % MostUnseen] =
                new Sent { N = N, ChangedAt = changedAt, Pressed = pressed, Prompt = prompt };
        }

        private void Forget()
        {
            unseen[first].Prompt = null;
            first = (first + 1) % MostUnseen;
            count--;
        }

        private void ForgetOnce()
        {
            pressed = 0;
            Array.Clear(amounts, 0, amounts.Length);
            prompt = null;
            changedAt = double.NaN;
        }
    }
}
