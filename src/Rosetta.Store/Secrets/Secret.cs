namespace Rosetta.Store.Secrets;

/// <summary>A password or private key in memory. Its <see cref="ToString"/> hides it, so that records holding one may be logged.</summary>
public readonly record struct Secret(string? Value)
{
    public bool IsSet => Value is not null;

    public override string ToString() => Value is null ? "(none)" : "***";
}
