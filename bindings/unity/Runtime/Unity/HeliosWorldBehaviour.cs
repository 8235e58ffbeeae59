using System;
using UnityEngine;
using UnityEngine.Events;

namespace HeliosWorld
{
    /// <summary>
    /// A world that a helios-world server dreams: opens a session, sends what is held, and shows the frames in time on
    /// <see cref="Texture"/>. Everything here belongs to the main thread, all events are raised there, from Update, and
    /// nothing waits.
    /// </summary>
    [AddComponentMenu("Helios/Helios World")]
    [DisallowMultipleComponent]
    public sealed partial class HeliosWorldBehaviour : MonoBehaviour
    {
        [Header("Server")]
        [Tooltip("host:port or tcp://host:port of `helios-world serve`.")]
        public string address = "tcp://127.0.0.1:5555";

        [Tooltip("One of the server's worlds; empty for its default one.")]
        public string world = "";

        [Tooltip("Seconds to wait for an answer, or for a connection, before that is an error.")]
        [Range(1, 600)]
        public float timeout = 30;

        [Header("World")]
        [Tooltip("What the world is, in words; empty for one of its examples.")]
        [TextArea]
        public string prompt = "";

        [Tooltip("The same seed and the same inputs give the same frames. Not negative.")]
        public long seed;

        [Tooltip("Stream: the server makes chunks by itself while the input is sampled. Lockstep: each Step makes one.")]
        public HeliosMode mode = HeliosMode.Stream;

        [Header("Frames")]
        [Tooltip("Rgb24 is exact; Jpeg is for networks.")]
        public HeliosEncoding encoding = HeliosEncoding.Rgb24;

        [Tooltip("Of Jpeg.")]
        [Range(1, 100)]
        public int quality = 90;

        [Tooltip("Send each chunk in several messages, as its frames get ready.")]
        public bool progressive;

        [Tooltip("How the texture is enlarged. Point keeps the pixels of a small world crisp.")]
        public FilterMode filter = FilterMode.Bilinear;

        [Header("Behaviour")]
        [Tooltip("Open the world and begin when this component is enabled; open it anew when the session is lost.")]
        public bool autostart = true;

        [Tooltip("Follow the input source. Off, as while someone types: everything is let go.")]
        public bool inputEnabled = true;

        [Header("Events")]
        public HeliosTextEvent onConnected = new HeliosTextEvent();
        public UnityEvent onOpened = new UnityEvent();
        public HeliosTextEvent onDisconnected = new HeliosTextEvent();
        public UnityEvent onResumed = new UnityEvent();
        public UnityEvent onChunkReady = new UnityEvent();
        public HeliosTextureEvent onFrameReady = new HeliosTextureEvent();
        public HeliosTextEvent onPromptChanged = new HeliosTextEvent();
        public UnityEvent onClosed = new UnityEvent();
        public HeliosTextEvent onError = new HeliosTextEvent();

        /// <summary>There is a connection; with the server's name and version.</summary>
        public event Action<string> Connected;

        /// <summary>The session can be used.</summary>
        public event Action<WorldSpec> Opened;

        /// <summary>The connection was lost; with why. It is sought again.</summary>
        public event Action<string> Disconnected;

        /// <summary>The session goes on after a lost connection.</summary>
        public event Action Resumed;

        /// <summary>
        /// Lockstep: a chunk has come. Stream: a chunk begins to be shown. It is valid in the handler only; copy what is
        /// to stay (<see cref="HeliosChunk.CopyFrame"/>), and do not dispose of it.
        /// </summary>
        public event Action<HeliosChunk> ChunkReady;

        /// <summary>The texture shows another frame.</summary>
        public event Action<Texture2D> FrameReady;

        /// <summary>Another prompt has the greatest share in what is shown.</summary>
        public event Action<string> PromptChanged;

        /// <summary>The session is over.</summary>
        public event Action Closed;

        /// <summary>Something failed; it is in the console too, with what to do.</summary>
        public event Action<HeliosException> Error;

        /// <summary>Where it stands.</summary>
        public HeliosWorldState State { get; private set; }

        /// <summary>The session, for what this component does not offer; null while there is none.</summary>
        public HeliosSession Session { get; private set; }

        /// <summary>What the world offers; null until it is open.</summary>
        public WorldSpec World { get { return Session == null ? null : Session.World; } }

        /// <summary>The frame being shown; null before the first one. Another texture when the world has another size.</summary>
        public Texture2D Texture { get { return frames.Texture; } }

        /// <summary>Whether <see cref="Texture"/> has the picture's top row at the bottom. HeliosScreen turns it over.</summary>
        public bool IsUpsideDown { get { return frames.IsUpsideDown; } }

        /// <summary>
        /// The prompt with the greatest share in what is shown; empty before the first frame and in a world without words.
        /// </summary>
        public string ShownPrompt { get { return shownPrompt; } }

        /// <summary>Whether something that was asked for has not been answered.</summary>
        public bool IsBusy { get { return requests.Count > 0; } }

        /// <summary>
        /// Lockstep mode, after <see cref="ResetWorld"/>: whether the next step would come in time and none is under way; step then.
        /// </summary>
        public bool WantsStep { get { return State == HeliosWorldState.Open && !IsBusy && Session.Epoch > 0 && player.Waiting == 0; } }

        /// <summary>Where the input comes from; if none is set, a component of this object that is an IHeliosInput.</summary>
        public IHeliosInput InputSource { get; set; }

        /// <summary>Figures, as of now.</summary>
        public HeliosWorldStatistics Statistics { get { return Figures(); } }

        /// <summary>
        /// Look for the server and open a session. Without autostart, the next thing is <see cref="ResetWorld"/>. Does
        /// nothing but answer when the world is open.
        /// </summary>
        public HeliosRequest Open() { return Begin(false); }

        /// <summary>Begin the world anew. The answer is the first chunk.</summary>
        /// <param name="newSeed">Null for <see cref="seed"/>.</param>
        /// <param name="newPrompt">Null for <see cref="prompt"/>.</param>
        // Not "Reset": Unity calls a method of that name in the editor.
        public HeliosRequest ResetWorld(long? newSeed = null, string newPrompt = null)
        {
            string words = newPrompt ?? prompt;
            return Ask(new HeliosRequest(HeliosRequest.Kind.Reset)
            {
                Seed = newSeed ?? seed,
                Prompt = string.IsNullOrEmpty(words) ? null : words
            });
        }

        /// <summary>Lockstep mode: make the next chunk.</summary>
        /// <param name="action">For the whole chunk; null for what the input source holds now.</param>
        /// <param name="newPrompt">Fades in from this chunk on; null keeps the present one.</param>
        public HeliosRequest Step(HeliosAction action = null, string newPrompt = null)
        {
            var held = new HeliosAction();
            if (action != null) held.CopyFrom(action);
            else if (World != null) SampleStep(held);
            return Ask(new HeliosRequest(HeliosRequest.Kind.Step) { Action = held, Prompt = newPrompt });
        }

        /// <summary>Change the prompt, from the next chunk on. At most 2,000 characters.</summary>
        public HeliosRequest SetPrompt(string text)
        {
            return Ask(new HeliosRequest(HeliosRequest.Kind.Prompt) { Prompt = text });
        }

        /// <summary>The world's whole state, as <see cref="HeliosRequest.Bytes"/>; can be kept in a file.</summary>
        public HeliosRequest Snapshot() { return Ask(new HeliosRequest(HeliosRequest.Kind.Snapshot)); }

        /// <summary>Go on from a snapshot of the same world.</summary>
        public HeliosRequest Restore(byte[] snapshot)
        {
            if (snapshot == null) throw new ArgumentNullException("snapshot", "take one with Snapshot() first");
            return Ask(new HeliosRequest(HeliosRequest.Kind.Restore) { Bytes = snapshot });
        }

        /// <summary>A second session in the same state, over the same connection.</summary>
        /// <param name="into">Gets the session. A component that is enabled and closed (autostart off).</param>
        public HeliosRequest Fork(HeliosWorldBehaviour into)
        {
            if (into == null) throw new ArgumentNullException("into", "the component that is to have the second session");
            return Ask(new HeliosRequest(HeliosRequest.Kind.Fork) { Into = into });
        }

        /// <summary>Begin or end the server's recording of this session.</summary>
        public HeliosRequest Record(bool on) { return Ask(new HeliosRequest(HeliosRequest.Kind.Record) { On = on }); }

        /// <summary>End the session. The texture stays. Does not wait, and does nothing when the world is closed.</summary>
        public void Close()
        {
            retryAt = double.PositiveInfinity;
            if (link != null) Drop("the world was closed");
        }
    }
}
