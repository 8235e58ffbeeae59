using System.Globalization;
using UnityEngine;
using UnityEngine.UI;

namespace HeliosWorld.Samples
{
    /// <summary>State, figures, prompt and help, written over the picture; renewed a few times a second.</summary>
    sealed class Hud
    {
        const double EverySeconds = 0.25, NoteSeconds = 3;
        const int Margin = 16;
        const string Help = "W A S D walk   arrows turn   1-9 prompt   F5 save   F9 restore   R rewind   N new seed   H help   Esc quit";

        readonly Text figures, prompt, note, help;
        double next, noteUntil, since;
        long framesBefore;
        bool isHelpShown = true;

        public Hud(Transform canvas)
        {
            Font font = MakeFont();
            figures = Line(canvas, font, "Figures", TextAnchor.UpperLeft, 16);
            prompt = Line(canvas, font, "Prompt", TextAnchor.UpperRight, 18);
            note = Line(canvas, font, "Note", TextAnchor.MiddleCenter, 22);
            help = Line(canvas, font, "Help", TextAnchor.LowerLeft, 14);
            help.text = Help;
        }

        public void ToggleHelp()
        {
            isHelpShown = !isHelpShown;
            help.text = isHelpShown ? Help : "";
        }

        public void Say(string text, double now)
        {
            note.text = text;
            noteUntil = now + NoteSeconds;
        }

        public void Show(HeliosWorldBehaviour world, int snapshots, double now)
        {
            if (now < next) return;
            HeliosWorldStatistics its = world.Statistics;
            figures.text = world.State == HeliosWorldState.Open ? Figures(world.World, its, snapshots, now) : Status(world);
            prompt.text = world.ShownPrompt;
            if (now >= noteUntil) note.text = "";
            next = now + EverySeconds;
            since = now;
            framesBefore = its.FramesShown;
        }

        static string Status(HeliosWorldBehaviour world)
        {
            switch (world.State)
            {
                case HeliosWorldState.Resuming: return "connection lost; the walk goes on when the server is back";
                case HeliosWorldState.Connecting: return "looking for a server at " + world.address + "\nstart one: helios-world serve nano";
                default: return "closed";
            }
        }

        string Figures(WorldSpec world, HeliosWorldStatistics its, int snapshots, double now)
        {
            double rate = since > 0 ? (its.FramesShown - framesBefore) / (now - since) : 0;
            return world.Name + "\n" + Number(rate) + " frames/s\nround trip " + Number(its.RoundTripMs) + " ms\ninput to frame "
                + (double.IsNaN(its.InputToFrameMs) ? "-" : Number(its.InputToFrameMs) + " ms") + "\nunderruns " + its.Underruns
                + "\nsnapshots " + snapshots;
        }

        static string Number(double value) { return value.ToString("0.0", CultureInfo.InvariantCulture); }

        static Text Line(Transform canvas, Font font, string name, TextAnchor where, int size)
        {
            var owner = new GameObject(name, typeof(RectTransform), typeof(Text), typeof(Outline));
            owner.transform.SetParent(canvas, false);
            var place = (RectTransform)owner.transform;
            place.anchorMin = Vector2.zero;
            place.anchorMax = Vector2.one;
            place.offsetMin = new Vector2(Margin, Margin);
            place.offsetMax = new Vector2(-Margin, -Margin);
            owner.GetComponent<Outline>().effectColor = new Color(0, 0, 0, 0.8f);
            var line = owner.GetComponent<Text>();
            line.font = font;
            line.fontSize = size;
            line.alignment = where;
            line.raycastTarget = false;
            return line;
        }

        static Font MakeFont()
        {
#if UNITY_2022_2_OR_NEWER
            return Resources.GetBuiltinResource<Font>("LegacyRuntime.ttf");
#else
            return Resources.GetBuiltinResource<Font>("Arial.ttf");
#endif
        }
    }
}
