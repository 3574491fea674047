namespace Rosetta.Actors.Cluster.Serialization;

/// <summary>
/// A message that may cross nodes. Its type must have a manifest in <see cref="WireMessages"/>; rows never cross nodes, so such messages
/// are small and rare.
/// </summary>
public interface IRosettaWireMessage;
