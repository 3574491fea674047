Console.WriteLine("rosetta");
