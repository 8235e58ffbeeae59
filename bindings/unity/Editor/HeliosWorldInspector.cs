using System.Globalization;
using UnityEditor;
using UnityEngine;

namespace HeliosWorld
{
    /// <summary>The settings, and in play mode how the world is doing.</summary>
    [CustomEditor(typeof(HeliosWorldBehaviour))]
    public sealed class HeliosWorldInspector : Editor
    {
        /// <inheritdoc/>
        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            EditorGUILayout.Space();
            if (Application.isPlaying) DrawStatus((HeliosWorldBehaviour)target);
            else EditorGUILayout.HelpBox("Start a server with `helios-world serve nano`, then press Play.", MessageType.Info);
        }

        /// <inheritdoc/>
        public override bool RequiresConstantRepaint() { return Application.isPlaying; }

        static void DrawStatus(HeliosWorldBehaviour world)
        {
            HeliosWorldStatistics figures = world.Statistics;
            EditorGUILayout.LabelField("State", world.State.ToString());
            EditorGUILayout.LabelField("World", Describe(world.World));
            EditorGUILayout.LabelField("Prompt", world.ShownPrompt);
            EditorGUILayout.LabelField("Round trip", Milliseconds(figures.RoundTripMs));
            EditorGUILayout.LabelField("Input to frame", Milliseconds(figures.InputToFrameMs));
            EditorGUILayout.LabelField("Frames shown", figures.FramesShown + ", refused " + figures.FramesRefused);
            EditorGUILayout.LabelField("Underruns", figures.Underruns + ", chunks missing " + figures.MissingChunks);
            EditorGUILayout.LabelField("Received", (figures.BytesReceived >> 10) + " KiB, messages dropped " + figures.DroppedMessages);
            EditorGUILayout.LabelField("Resumed", figures.Resumes + " times");
        }

        static string Describe(WorldSpec world)
        {
            if (world == null) return "none";
            return world.Name + ", " + world.Width + " x " + world.Height + " at " + world.Fps + " frames/s";
        }

        static string Milliseconds(double value)
        {
            return double.IsNaN(value) ? "not yet" : value.ToString("0.0", CultureInfo.InvariantCulture) + " ms";
        }
    }
}
