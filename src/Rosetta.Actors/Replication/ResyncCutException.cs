namespace Rosetta.Actors.Replication;

/// <summary>
/// The slot was lost again while a resync of the pipeline was under way: what that has brought so far rests on changes that are lost. The resync begins anew.
/// </summary>
sealed class ResyncCutException(string reason) : Exception($"{reason} The resync that was under way begins anew.");
