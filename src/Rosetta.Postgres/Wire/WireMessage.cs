namespace Rosetta.Postgres.Wire;

/// <summary>A message of the server that lies in the read buffer. It is valid until more is read from the socket.</summary>
readonly struct WireMessage(byte code, byte[] buffer, int offset, int length)
{
    public byte Code { get; } = code;

    public int Length { get; } = length;

    public ReadOnlySpan<byte> Body => buffer.AsSpan(offset, Length);

    public ReadOnlyMemory<byte> Memory => buffer.AsMemory(offset, Length);
}

/// <summary>Type bytes of messages the server sends (PostgreSQL manual, "Message Formats").</summary>
static class Backend
{
    public const byte Authentication = (byte)'R';
    public const byte KeyData = (byte)'K';
    public const byte BindComplete = (byte)'2';
    public const byte CloseComplete = (byte)'3';
    public const byte CommandComplete = (byte)'C';
    public const byte CopyBothResponse = (byte)'W';
    public const byte CopyData = (byte)'d';
    public const byte CopyDone = (byte)'c';
    public const byte CopyInResponse = (byte)'G';
    public const byte CopyOutResponse = (byte)'H';
    public const byte DataRow = (byte)'D';
    public const byte EmptyQuery = (byte)'I';
    public const byte Error = (byte)'E';
    public const byte NegotiateVersion = (byte)'v';
    public const byte NoData = (byte)'n';
    public const byte Notice = (byte)'N';
    public const byte Notification = (byte)'A';
    public const byte ParameterDescription = (byte)'t';
    public const byte ParameterStatus = (byte)'S';
    public const byte ParseComplete = (byte)'1';
    public const byte PortalSuspended = (byte)'s';
    public const byte ReadyForQuery = (byte)'Z';
    public const byte RowDescription = (byte)'T';
}

/// <summary>Type bytes of messages we send.</summary>
static class Frontend
{
    public const byte Bind = (byte)'B';
    public const byte Close = (byte)'C';
    public const byte CopyData = (byte)'d';
    public const byte CopyDone = (byte)'c';
    public const byte CopyFail = (byte)'f';
    public const byte Execute = (byte)'E';
    public const byte Parse = (byte)'P';
    public const byte Password = (byte)'p';
    public const byte Query = (byte)'Q';
    public const byte Sync = (byte)'S';
    public const byte Terminate = (byte)'X';
}
