using UnityEngine;

namespace HeliosWorld.Samples
{
    /// <summary>
    /// A walk through a dreamed world. This one component makes all the rest: camera, world, input, screen and HUD, so that
    /// the scene works in every render pipeline and with both input systems.
    /// </summary>
    public sealed class FirstPerson : MonoBehaviour
    {
        [Tooltip("host:port of `helios-world serve`.")]
        public string address = "tcp://127.0.0.1:5555";

        [Tooltip("Worlds of few pixels look better crisp.")]
        public FilterMode filter = FilterMode.Point;

        HeliosWorldBehaviour world;
        Rewind rewind;
        Hud hud;
        byte[] saved;
        System.Random dice;

        void Awake()
        {
            dice = new System.Random();
            Application.runInBackground = true;
            MakeCamera();
            MakeWorld();
            HeliosScreen screen = HeliosScreen.FillWindow(world);
            hud = new Hud(screen.transform.parent);
            rewind = new Rewind(world);
        }

        void Update()
        {
            if (world.State == HeliosWorldState.Open) rewind.Update(HeliosClock.Now);
            ObeyKeys();
            hud.Show(world, rewind.Count, HeliosClock.Now);
        }

        void MakeCamera()
        {
            var owner = new GameObject("Camera", typeof(Camera));
            owner.transform.SetParent(transform, false);
            var view = owner.GetComponent<Camera>();
            view.clearFlags = CameraClearFlags.SolidColor;
            view.backgroundColor = Color.black;
            view.cullingMask = 0;
        }

        // Off while it is being set up: OnEnable begins with the settings that are there.
        void MakeWorld()
        {
            var owner = new GameObject("World");
            owner.SetActive(false);
            owner.transform.SetParent(transform, false);
            world = owner.AddComponent<HeliosWorldBehaviour>();
            world.address = address;
            world.filter = filter;
            world.Error += OnError;
#if HELIOS_INPUT_SYSTEM && ENABLE_INPUT_SYSTEM
            owner.AddComponent<HeliosInputSystemInput>();
#else
            owner.AddComponent<HeliosLegacyInput>();
#endif
            owner.SetActive(true);
        }

        void ObeyKeys()
        {
            if (Keys.WasPressed(SampleKey.Help)) hud.ToggleHelp();
            if (Keys.WasPressed(SampleKey.Quit)) Application.Quit();
            if (world.State != HeliosWorldState.Open) return;
            if (Keys.WasPressed(SampleKey.Save)) Save();
            if (Keys.WasPressed(SampleKey.Load)) Load();
            if (Keys.WasPressed(SampleKey.Rewind)) Say(rewind.Back() ? "rewound" : "nothing to go back to");
            if (Keys.WasPressed(SampleKey.NewSeed)) Begin();
            int number = Keys.NumberPressed();
            if (number > 0) Prompt(number - 1);
        }

        void Save() { world.Snapshot().Then(done => { if (done.Succeeded) Keep(done.Bytes); }); }

        void Keep(byte[] bytes)
        {
            saved = bytes;
            Say("saved, " + (bytes.Length >> 10) + " KiB");
        }

        void Load()
        {
            if (saved == null) Say("nothing saved: press F5 first");
            else world.Restore(saved).Then(done => { if (done.Succeeded) Say("restored"); });
        }

        void Begin()
        {
            long seed = dice.Next();
            rewind.Forget();
            world.ResetWorld(seed).Then(done => { if (done.Succeeded) Say("seed " + seed); });
        }

        void Prompt(int index)
        {
            string[] prompts = world.World.Prompts;
            if (index < prompts.Length) world.SetPrompt(prompts[index]);
        }

        void Say(string text) { hud.Say(text, HeliosClock.Now); }

        void OnError(HeliosException error) { hud.Say(error.Message, HeliosClock.Now); }
    }
}
