namespace Rosetta.EndToEnd.Stage;

/// <summary>What is killed.</summary>
public enum Victim
{
    Node,
    Source,
    Destination,

    /// <summary>It has the payloads, too.</summary>
    ConfigDatabase,

    /// <summary>It has the payloads.</summary>
    Redis,
}
