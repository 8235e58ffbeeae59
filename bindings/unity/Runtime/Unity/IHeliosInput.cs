namespace HeliosWorld
{
    /// <summary>Where the input of a world comes from. Put a component that is one beside a Helios World.</summary>
    public interface IHeliosInput
    {
        /// <summary>
        /// Hold in <paramref name="action"/>, which is empty, what is held now. Called on the main thread, once per frame in
        /// stream mode, and for a Step without an action in lockstep mode. Should not allocate.
        /// </summary>
        /// <param name="world">Names no button and axis that it does not have.</param>
        /// <param name="action">
        /// Axes that combine by latest get their value, those that combine by sum (AxisSpec.IsSum) what was added since the
        /// call before, in the axis's unit.
        /// </param>
        void Sample(WorldSpec world, HeliosAction action);
    }
}
