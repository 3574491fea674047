namespace Rosetta.Api.Access;

/// <summary>What a key may do; each role includes those before it.</summary>
public enum ApiRole
{
    /// <summary>Reads.</summary>
    Viewer,

    /// <summary>Also starts, pauses, refreshes, resyncs, tests connections, marks notifications as read.</summary>
    Operator,

    /// <summary>Everything.</summary>
    Admin,
}

/// <summary>The least role for an endpoint. Without it: viewer for GET, admin for everything else.</summary>
sealed record RequiredRole(ApiRole Role);
